"""What the services hold in memory while they scan, and what a further destination adds.

    python -m benchmarks.memory [--symbols 150] [--destinations 1 3] [--scans 3]

A demo's processes on one machine, at 30 times the pace, after some scans.  Two figures of each, MiB: resident, where
a page that processes share counts for each of them, and proportional (PSS), where it counts once in all.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

import yaml

from benchmarks.process_tree import Memory, memory_of, tree
from services.terminal.local import listening, stream_tail
from services.terminal.local.processes.forker import Forker
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import LocalStack, Plan, SimulatorPlan
from services.terminal.local.webhook_sink import Sink
from shared.bus import RedisBus
from shared.contracts import ScanSettled, Stream

SPEED = 30.0
NOT_SERVICES = ("valkey", "postgres", "simulator")
WORKERS_READY_S = 20.0  #: for the deliverer to start a worker for each destination


async def measure(symbols: int, destinations: int, scans: int) -> dict[str, Memory]:
    """Return what each process holds, by its name; those below a service as `NAME/1`, `NAME/2`, …"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Sink() as sink:
            names = [f"sink{number}" for number in range(destinations)]
            config = {
                "universe": {"size": symbols, "min_quote_volume": 0},
                "destinations": dict.fromkeys(names, sink.destination),
                "routes": [{"destinations": names}],
            }
            (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
            plan = Plan(folder / "data", folder / "config.yaml", listening.free_port(), durable=False)
            forker = Forker()
            async with (
                Supervisor(lambda *_: None, forker=forker) as supervisor,
                LocalStack(plan, supervisor, say=print) as local,
            ):
                await local.start(SimulatorPlan(symbols=symbols, speed=SPEED))
                await settled(local.redis_url, scans)
                await workers(supervisor.pid("deliverer"), destinations)
                found = {"fork server": memory_of(tree(forker.process.pid)[0])}
                for service in supervisor.names():
                    if service not in NOT_SERVICES:
                        first, *others = tree(supervisor.pid(service))
                        found[service] = memory_of(first)
                        found |= {f"{service}/{number}": memory_of(each) for number, each in enumerate(others, 1)}
                return found


async def settled(redis_url: str, scans: int) -> None:
    """Return when so many *scans* have settled."""
    bus, after = RedisBus(redis_url), "0-0"
    try:
        while scans > 0:
            for _, entry_id, event in await stream_tail.news(bus, {Stream.SCANS: after}):
                after = entry_id
                scans -= isinstance(event, ScanSettled)
    finally:
        await bus.close()


async def workers(deliverer: int, count: int) -> None:
    """Return when the deliverer has *count* workers, which are the forks of its own fork server."""
    async with asyncio.timeout(WORKERS_READY_S):
        while len(tree(deliverer)) < count + 1:
            await asyncio.sleep(0.1)


def show(found: dict[str, Memory]) -> Memory:
    """Print each process; return the sum."""
    for name, held in found.items():
        print(f"  {name:16} {held.resident:7.0f} resident {held.proportional:7.0f} proportional")
    total = sum(found.values(), Memory(0.0, 0.0))
    print(f"  {'all':16} {total.resident:7.0f} resident {total.proportional:7.0f} proportional")
    return total


def main() -> None:
    """Measure with each number of destinations."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=150)
    parser.add_argument("--destinations", type=int, nargs=2, default=(1, 3))
    parser.add_argument("--scans", type=int, default=3)
    arguments = parser.parse_args()
    totals = []
    for destinations in arguments.destinations:
        print(f"{arguments.symbols} coins, {destinations} destinations, MiB:")
        totals.append(show(asyncio.run(measure(arguments.symbols, destinations, arguments.scans))))
    few, many = totals
    more = arguments.destinations[1] - arguments.destinations[0]
    resident, proportional = (many.resident - few.resident) / more, (many.proportional - few.proportional) / more
    print(f"a further destination: {resident:.1f} resident, {proportional:.1f} proportional")


if __name__ == "__main__":
    main()
