"""`make chaos`: many seeded runs in one process, then runs with real processes; the figures at the end.

`--seed N` replays one seed of the runs in one process, `--processes 0` leaves out the real processes.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from services.terminal import stores
from shared.service import configure_logging
from tests.chaos import inprocess, processes
from tests.conftest import running

PER_MARKET = 5  #: process runs that are compared with one undisturbed run; the last of them loses the bus


@dataclass
class Totals:
    """What all runs together came to."""

    runs: int = 0
    without_kill: int = 0
    alerts: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, name: str, kills: Counter[str], struck: Counter[str], alerts: int, violations: Iterable[str]) -> None:
        """Add one run."""
        self.runs += 1
        self.kills += kills
        self.struck += struck
        self.alerts += alerts
        self.without_kill += not kills.total()
        self.violations += [f"{name}: {text}" for text in violations]


async def many(seeds: Iterable[int], *, rate: float, together: int, totals: Totals) -> None:
    """Run *seeds* on one Valkey, *together* at a time."""
    with tempfile.TemporaryDirectory() as folder:
        store = stores.valkey(Path(folder), durable=False)
        with running(store.argv), inprocess.quick():
            stores.wait_for_valkey(store.url)
            turn = asyncio.Semaphore(together)

            async def one(seed: int) -> None:
                async with turn:
                    run = await inprocess.run(seed, store.url, rate=rate)
                totals.add(f"seed {seed}", run.kills, run.struck, len(run.alerts), run.violations)
                if run.violations or totals.runs % 20 == 0:
                    print(f"  {totals.runs} runs, {totals.kills.total()} kills, {len(totals.violations)} violations")

            await asyncio.gather(*(one(seed) for seed in seeds))


async def real(runs: int, *, closes: int, symbols: int, totals: Totals) -> None:
    """Run the services as processes: for every `PER_MARKET` runs one undisturbed reference."""
    reference: processes.ProcessRun | None = None
    for number in range(runs):
        market = 1 + number // PER_MARKET
        if reference is None or number % PER_MARKET == 0:
            reference = await processes.run(
                f"market {market}", market, closes=closes, symbols=symbols, analyzers=1, accidents=None
            )
            totals.violations += [f"{reference.name}, undisturbed: {text}" for text in reference.violations]
            print(f"  {reference.name}: {len(reference.alert_ids)} alerts, {reference.seconds:.0f} s undisturbed")
        accidents = processes.Accidents(seed=number + 1, valkey=number % PER_MARKET == PER_MARKET - 1)
        run = await processes.run(
            f"process run {number + 1}", market, closes=closes, symbols=symbols, analyzers=3, accidents=accidents
        )
        violations = [*run.violations, *processes.compare(reference, run)]
        if run.unknown:
            run.struck["alerts reported unknown"] += len(run.unknown)
        totals.add(run.name, run.kills, run.struck, len(run.alert_ids), violations)
        slowest = max((scan.seconds for scan in run.scans), default=0.0)
        print(
            f"  {run.name}: {run.kills.total()} in flight, {run.seconds:.0f} s, slowest scan {slowest:.1f} s, "
            f"{len(violations)} violations"
        )


def report(title: str, totals: Totals, seconds: float) -> None:
    """Print what was hit."""
    print(f"\n{title}: {totals.runs} runs, {totals.alerts} alerts compared, {seconds:.0f} s")
    for name, count in sorted(totals.kills.items()):
        print(f"  killed {name:<12} {count:>6}")
    for name, count in sorted(totals.struck.items()):
        print(f"  {name:<30} {count:>6}")
    for text in totals.violations[:50]:
        print(f"  VIOLATION {text}")


def main() -> int:
    """Run everything; return 0 when no invariant was violated and every run really killed something."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="seeded runs in one process")
    parser.add_argument("--seed", type=int, help="replay this one seed")
    parser.add_argument("--rate", type=float, default=0.03, help="share of operations that a fault strikes")
    parser.add_argument("--together", type=int, default=6, help="runs at the same time")
    parser.add_argument("--processes", type=int, default=20, help="runs with real processes")
    parser.add_argument("--closes", type=int, default=30, help="scans of a run with real processes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every store and process ends with this one
    configure_logging("error" if options.seed is None else "info", "console")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    seeds = [options.seed] if options.seed is not None else list(range(1, options.runs + 1))
    parts: list[Totals] = []
    if seeds:
        totals, started = Totals(), time.monotonic()
        asyncio.run(many(seeds, rate=options.rate, together=options.together, totals=totals))
        report("stages in one process", totals, time.monotonic() - started)
        parts.append(totals)
    if options.processes and options.seed is None:
        totals, started = Totals(), time.monotonic()
        asyncio.run(real(options.processes, closes=options.closes, symbols=12, totals=totals))
        report("real processes", totals, time.monotonic() - started)
        parts.append(totals)
    violations = sum(len(part.violations) for part in parts)
    if idle := sum(part.without_kill for part in parts):
        print(f"  VIOLATION {idle} runs killed nothing in flight")
        violations += 1
    print(f"\nruns: {sum(part.runs for part in parts)}")
    print(f"kills in flight: {sum(part.kills.total() for part in parts)}")
    print(f"violations: {violations}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
