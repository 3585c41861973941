"""A run of many power cuts, and what they cost."""

from __future__ import annotations

import asyncio
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import yaml

from services.terminal.local import listening
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import SimulatorPlan
from services.terminal.local.webhook_sink import Sink
from shared.contracts import Alert, Stream
from tests.chaos import invariants
from tests.chaos.processes import config
from tests.power.disk import Disk, Left, compiled
from tests.power.machine import Machine, Seen

SYMBOLS: Final = 12
SPEED: Final = 100.0
DRAIN_SECONDS: Final = 90.0
SENT: Final = "SELECT alert_id FROM alerts WHERE held_by = '' AND created_at < extract(epoch FROM now()) * 1000 - 5000"
SETTLED: Final = "SELECT scan_id FROM scans WHERE settled_at IS NOT NULL ORDER BY settled_at"
OPEN: Final = "SELECT signal_id FROM signals WHERE status = 'open'"


@dataclass
class Costs:
    """What the cuts came to."""

    cuts: int = 0
    lost: Counter[str] = field(default_factory=Counter)  #: entries that were on the bus and are not, by stream
    longest: float = 0.0  #: seconds of the bus that were gone at most
    rolled_back: int = 0  #: cuts that took something from the bus
    alerts: int = 0
    untold: list[str] = field(default_factory=list)  #: alerts that were on the bus, and nobody has got
    unrecorded: list[str] = field(default_factory=list)  #: alerts that somebody has got, and Postgres has not
    twice: list[str] = field(default_factory=list)
    unknown: int = 0  #: alerts in flight at a cut: reported unknown, not sent again
    unfollowed: list[str] = field(default_factory=list)  #: open in Postgres, and the gatekeeper does not know them
    rows: str = ""
    violations: list[str] = field(default_factory=list)


async def run(cuts: int, *, seed: int, minutes: float = math.inf, say: bool = False) -> Costs:
    """Cut the power *cuts* times, or for *minutes*, while alerts are sent; return what that cost."""
    source, costs, deadline = random.Random(seed), Costs(), time.monotonic() + 60 * minutes
    async with _outside(seed) as (folder, environment, sink):
        library = compiled(folder)
        machine = Machine(Disk(folder / "disk", folder / "kept", library), folder / "config.yaml", environment)
        known: dict[str, Alert] = {}
        dark: list[float] = []
        machine.switch_on()
        try:
            for number in range(1, cuts + 1):
                if time.monotonic() > deadline:
                    break
                await machine.settled(2)
                await asyncio.sleep(source.uniform(0.0, 6.0))
                before = await machine.seen()
                cut_at = machine.cut()
                dark.append(machine.dark)
                left: Left = source.choice(("nothing", "some pages"))
                machine.disk.come_back(left, source)
                machine.switch_on()
                await machine.settled(1)
                after = await machine.seen()
                known |= _alerts(before) | _alerts(after)
                _compare(costs, before, after, cut_at)
                if say:
                    gone = f"{_gone(before, after)} entries of the bus gone"
                    print(f"  cut {number} ({left} unsynced left): {after.rows}; {gone}", flush=True)
            await _drained(machine, costs)
            known |= _alerts(await machine.seen())
            await _sum_up(costs, machine, sink, known, dark)
        finally:
            machine.cut()
    return costs


@asynccontextmanager
async def _outside(seed: int) -> AsyncIterator[tuple[Path, dict[str, str], Sink]]:
    """What no cut strikes: a simulated exchange, the receiver, and config.yaml, which was written long ago."""
    with tempfile.TemporaryDirectory(prefix="sevengate-power-") as name:
        folder = Path(name)
        async with Supervisor(lambda *_: None) as supervisor, Sink() as sink:
            port = listening.free_port()
            await supervisor.start("simulator", SimulatorPlan(SYMBOLS, seed, SPEED).argv(port))
            await _answers(f"http://127.0.0.1:{port}/sim/status")
            (folder / "config.yaml").write_text(yaml.safe_dump(config(sink, SYMBOLS)), encoding="utf-8")
            yield (
                folder,
                {
                    "SEVENGATE_BINANCE_REST_URL": f"http://127.0.0.1:{port}",
                    "SEVENGATE_BINANCE_WS_URL": f"ws://127.0.0.1:{port}",
                    "SEVENGATE_FEAR_GREED_URL": f"http://127.0.0.1:{port}/fng/",
                    "SEVENGATE_CLOCK_SPEED": f"{SPEED:g}",
                },
                sink,
            )


async def _answers(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False, transport=httpx.AsyncHTTPTransport(retries=10)) as client:
        (await client.get(url, timeout=60.0)).raise_for_status()


def _alerts(seen: Seen) -> dict[str, Alert]:
    alerts = [one for one in seen.entries[Stream.ALERTS].values() if isinstance(one, Alert) and one.kind != "system"]
    return {alert.alert_id: alert for alert in alerts}


def _gone(before: Seen, after: Seen) -> int:
    return sum(len(entries.keys() - after.entries[stream].keys()) for stream, entries in before.entries.items())


def _compare(costs: Costs, before: Seen, after: Seen, at: float) -> None:
    """Add what one cut cost: nothing of Postgres, and of the bus what was not synced yet."""
    costs.cuts += 1
    costs.violations += [f"cut {costs.cuts}: Postgres lost {row}" for row in before.rows.missing(after.rows)]
    costs.rolled_back += _gone(before, after) > 0
    for stream, entries in before.entries.items():
        gone = entries.keys() - after.entries[stream].keys()
        costs.lost[stream] += len(gone)
        age = max((at - int(entry.partition("-")[0]) / 1_000 for entry in gone), default=0.0)
        costs.longest = max(costs.longest, age)


async def _drained(machine: Machine, costs: Costs) -> None:
    """Wait until every alert in Postgres has an end."""
    deadline, left = time.monotonic() + DRAIN_SECONDS, ["?"]
    while left and time.monotonic() < deadline:
        await asyncio.sleep(1.0)
        ends = machine.ends()
        left = [row[0] for row in machine.rows(SENT) if not ends.get(row[0], set()) & invariants.ENDS]
    costs.violations += [f"10: {alert_id} has no end" for alert_id in left]


async def _sum_up(costs: Costs, machine: Machine, sink: Sink, known: dict[str, Alert], dark: list[float]) -> None:
    """Add what the whole run cost, and what contradicts the invariants."""
    ends, times = machine.ends(), sink.times
    rows = machine.rows("SELECT alert_id, kind FROM alerts WHERE held_by = ''")
    stored, told = {row[0] for row in rows if row[1] != "system"}, set(times)
    costs.rows = str((await machine.seen()).rows)
    costs.alerts = len(stored | known.keys())
    costs.untold = sorted(known.keys() - told - stored)
    costs.unrecorded = sorted(told & known.keys() - stored)
    costs.unknown = sum("unknown" in end for end in ends.values())
    costs.twice = sorted(alert for alert, when in times.items() if len(when) > 1)
    once = Counter(dict.fromkeys(times, 1))  # what came twice is counted as a cost, below
    costs.violations += invariants.all_told(sorted(stored & ends.keys()), ends, once)
    for alert in costs.twice:
        first, *again = times[alert]
        if len(again) > 1 or not any(first <= cut <= again[0] for cut in dark):
            nearest = min(dark, key=lambda cut: abs(cut - first))
            apart = ", ".join(f"{when - nearest:+.2f}" for when in times[alert])
            costs.violations.append(f"4: {alert} was sent {apart} s from a cut, and none explains it")
    costs.violations += invariants.scans_in_order([int(row[0]) for row in machine.rows(SETTLED)])
    costs.unfollowed = sorted({row[0] for row in machine.rows(OPEN)} - await machine.followed())
