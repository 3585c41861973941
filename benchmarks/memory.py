"""What the services hold in memory while they scan, and what a further destination adds.

    python -m benchmarks.memory [--symbols 150] [--destinations 1 3] [--scans 3]

A demo's processes on one machine, at 30 times the pace, between two scans.  Three figures of each, MiB: resident, where
a page that processes share counts for each of them, proportional (PSS), where it counts once in all, and private (USS),
which no other process has.
"""

from __future__ import annotations

import argparse
import asyncio

from benchmarks.process_tree import NOTHING, Memory, memory_of, tree
from benchmarks.whole_stack import whole_stack
from services.terminal.local import stream_tail
from services.terminal.local.stack import SimulatorPlan
from shared.bus import RedisBus
from shared.contracts import ScanSettled, Stream
from shared.runtime.process import REPORT_S

SPEED = 30.0
NOT_SERVICES = ("valkey", "postgres", "simulator")
WORKERS_READY_S = 120.0  #: for the deliverer to start a worker for each destination


async def measure(symbols: int, destinations: int, scans: int) -> dict[str, Memory]:
    """Return what each process holds, by its name; those below a service as `NAME/1`, `NAME/2`, …"""
    async with whole_stack(SimulatorPlan(symbols=symbols, speed=SPEED), destinations) as stack:
        supervisor = stack.supervisor
        await settled(stack.local.redis_url, scans)
        await workers(stack.local.redis_url, destinations)
        await asyncio.sleep(REPORT_S + 1)  # each gives back by then what the scan has freed
        found = {"fork server": memory_of(tree(stack.forker.process.pid)[0])}
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


async def workers(redis_url: str, count: int) -> None:
    """Return when *count* destinations have their worker."""
    bus = RedisBus(redis_url)
    try:
        async with asyncio.timeout(WORKERS_READY_S):
            while await bus.redis.scard("rq:workers") < count:
                await asyncio.sleep(0.1)
    finally:
        await bus.close()


def line(name: str, held: Memory) -> str:
    """Return one process's figures."""
    shown = f"{held.resident:7.0f} resident {held.proportional:7.0f} proportional {held.private:7.0f} private"
    return f"  {name:16} {shown}"


def show(found: dict[str, Memory]) -> Memory:
    """Print each process; return the sum."""
    for name, held in found.items():
        print(line(name, held))
    total = sum(found.values(), NOTHING)
    print(line("all", total))
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
