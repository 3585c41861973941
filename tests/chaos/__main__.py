"""`make chaos`: many seeded runs in one process, then runs with real processes; the figures at the end.

`--seed N` replays one seed of the runs in one process, `--run N` one run with real processes;
`--runs 0` or `--processes 0` leaves out the others.
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
from tests.chaos import accidents, inprocess, processes
from tests.conftest import running

PER_MARKET = len(accidents.KINDS)  #: process runs that are compared with one undisturbed run: one of each kind
SYMBOLS = 12


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


async def real(numbers: Iterable[int], *, closes: int, totals: Totals) -> None:
    """Run the services as processes, each run compared with its market's undisturbed one."""
    references: dict[int, processes.ProcessRun] = {}
    for number in numbers:
        market = 1 + (number - 1) // PER_MARKET
        if market not in references:
            made = await processes.run(f"market {market}", market, closes=closes, symbols=SYMBOLS, analyzers=1)
            references = {market: made}
            totals.violations += [f"{made.name}, undisturbed: {text}" for text in made.violations]
            print(f"  {made.name}: {len(made.alerts)} alerts, {made.seconds:.0f} s undisturbed")
        name = f"process run {number}"
        run = await processes.run(name, market, closes=closes, symbols=SYMBOLS, number=number)
        violations = [*run.violations, *processes.compare(references[market], run)]
        totals.add(name, run.kills, run.struck, len(run.alerts), violations)
        slowest = max((scan.seconds for scan in run.scans), default=0.0)
        print(
            f"  {name} ({run.kind}): {run.kills.total()} kills in flight, {len(violations)} violations, "
            f"{run.seconds:.0f} s, slowest scan {slowest:.1f} s, queues empty after {run.drained_seconds:.1f} s, "
            f"MB: {', '.join(f'{name} {size >> 20}' for name, size in sorted(run.memory.items()))}"
        )
        print("    " + ", ".join(f"{what} {count}" for what, count in sorted(run.struck.items()) if count))


def report(title: str, totals: Totals, seconds: float) -> None:
    """Print what was hit."""
    print(f"\n{title}: {totals.runs} runs, {totals.alerts} alerts compared, {seconds:.0f} s")
    for name, count in sorted(totals.kills.items()):
        print(f"  killed in flight: {name:<22} {count:>6}")
    for name, count in sorted(totals.struck.items()):
        print(f"  {name:<40} {count:>6}")
    for text in totals.violations[:50]:
        print(f"  VIOLATION {text}")


def main() -> int:
    """Run everything; return 0 when no invariant was violated and every run really killed something."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="seeded runs in one process")
    parser.add_argument("--seed", type=int, help="replay this one seed of the runs in one process, and nothing else")
    parser.add_argument("--run", type=int, help="replay this one run with real processes, and nothing else")
    parser.add_argument("--rate", type=float, default=0.03, help="share of operations that a fault strikes")
    parser.add_argument("--together", type=int, default=6, help="runs at the same time")
    parser.add_argument("--processes", type=int, default=20, help="runs with real processes")
    parser.add_argument("--closes", type=int, default=18, help="scans of a run with real processes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every store and process ends with this one
    alone = options.seed is not None or options.run is not None
    configure_logging("info" if alone else "error", "console")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    seeds = range(1, options.runs + 1) if not alone else [options.seed] * (options.seed is not None)
    numbers = range(1, options.processes + 1) if not alone else [options.run] * (options.run is not None)
    parts: list[Totals] = []
    if seeds:
        totals, started = Totals(), time.monotonic()
        asyncio.run(many(seeds, rate=options.rate, together=options.together, totals=totals))
        report("stages in one process", totals, time.monotonic() - started)
        parts.append(totals)
    if numbers:
        totals, started = Totals(), time.monotonic()
        asyncio.run(real(numbers, closes=options.closes, totals=totals))
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
