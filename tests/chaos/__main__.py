"""`make chaos`: many seeded runs in one process, then runs with real processes; the figures at the end.

A violation names its seed or its run: `--seed N --times M` replays one seed of the runs in one process,
`--run N` one run with real processes; `--runs 0` or `--processes 0` leaves out the others.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.terminal.local import stores
from shared.runtime.logging import configure_logging
from tests.chaos import accidents, inprocess, processes
from tests.chaos.buses import STORES, Stores
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

    def broken(self, name: str, error: Exception) -> None:
        """Count a run that the harness could not finish as a violation: its result is unknown."""
        self.runs += 1
        self.violations.append(f"{name}: it broke off: {error!r}")

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
                    try:
                        run = await inprocess.run(seed, store.url, rate=rate)
                    except Exception as error:
                        totals.broken(f"seed {seed}", error)
                        return
                totals.add(f"seed {seed}", run.kills, run.struck, len(run.alerts), run.violations)
                if run.violations or totals.runs % 20 == 0:
                    print(f"  {totals.runs} runs, {totals.kills.total()} kills, {len(totals.violations)} violations")

            await asyncio.gather(*(one(seed) for seed in seeds))


async def real(numbers: Iterable[int], *, closes: int, stores: Stores, totals: Totals) -> None:
    """Run the services as processes, each run compared with its market's undisturbed one."""
    reference: processes.ProcessRun | None = None
    known = 0
    for number in numbers:
        market = 1 + (number - 1) // PER_MARKET
        try:
            if reference is None or market != known:
                reference, known = await _undisturbed(market, closes, totals), market
            run = await processes.run(
                f"process run {number}", market, closes=closes, symbols=SYMBOLS, number=number, stores=stores
            )
        except Exception as error:
            totals.broken(f"process run {number}", error)
            continue
        violations = [*run.violations, *processes.compare(reference, run)]
        totals.add(run.name, run.kills, run.struck, len(run.alerts), violations)
        _tell(run, len(violations))


async def _undisturbed(market: int, closes: int, totals: Totals) -> processes.ProcessRun:
    run = await processes.run(f"market {market}", market, closes=closes, symbols=SYMBOLS, analyzers=1)
    totals.violations += [f"{run.name}, undisturbed: {text}" for text in run.violations]
    print(f"  {run.name}: {len(run.alerts)} alerts, {run.seconds:.0f} s undisturbed")
    return run


def _tell(run: processes.ProcessRun, violations: int) -> None:
    """Print what one run with real processes came to."""
    slowest = max((scan.seconds for scan in run.scans), default=0.0)
    print(
        f"  {run.name} ({run.kind}): {run.kills.total()} kills in flight, {violations} violations, "
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
    parser.add_argument(
        "--times", type=int, default=1, help="how often to replay that seed: tasks interleave otherwise"
    )
    parser.add_argument("--run", type=int, help="replay this one run with real processes, and nothing else")
    parser.add_argument("--rate", type=float, default=0.03, help="share of operations that a fault strikes")
    parser.add_argument("--together", type=int, default=6, help="runs at the same time")
    parser.add_argument("--processes", type=int, default=20, help="runs with real processes")
    parser.add_argument("--closes", type=int, default=18, help="scans of a run with real processes")
    parser.add_argument("--stores", choices=STORES, default="valkey", help="what the bus of real processes is on")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every store and process ends with this one
    alone = options.seed is not None or options.run is not None
    configure_logging("info" if alone else "error", "console")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    seeds = (
        range(1, options.runs + 1) if not alone else [options.seed] * (options.times if options.seed is not None else 0)
    )
    numbers = range(1, options.processes + 1) if not alone else [options.run] * (options.run is not None)
    inside, outside = Totals(), Totals()
    try:
        if seeds:
            work = many(seeds, rate=options.rate, together=options.together, totals=inside)
            timed("stages in one process", inside, work)
        if numbers:
            timed(
                "real processes", outside, real(numbers, closes=options.closes, stores=options.stores, totals=outside)
            )
    except KeyboardInterrupt:
        print("\ninterrupted: the figures are those of the runs until then")
        summary(inside, outside)
        return 130
    return 1 if summary(inside, outside) else 0


def timed(title: str, totals: Totals, work: Coroutine[Any, Any, None]) -> None:
    """Do *work* and print what it hit, however it ends."""
    started = time.monotonic()
    try:
        asyncio.run(work)
    finally:
        report(title, totals, time.monotonic() - started)


def summary(*parts: Totals) -> int:
    """Print the last three lines; return how many violations there were."""
    violations = sum(len(part.violations) for part in parts)
    if idle := sum(part.without_kill for part in parts):
        print(f"  VIOLATION {idle} runs killed nothing in flight")
        violations += 1
    print(f"\nruns: {sum(part.runs for part in parts)}")
    print(f"kills in flight: {sum(part.kills.total() for part in parts)}")
    print(f"violations: {violations}")
    return violations


if __name__ == "__main__":
    sys.exit(main())
