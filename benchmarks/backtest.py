"""What do a backtest's shortcuts save?  CPU time of one process over the same bars, as ratios within one run.

- every scan analysed (`--all-scores`) against only those that gate 4 can pass;
- from cold against another threshold, whose analyses are kept;
- one backtest after another against a search, which loads the bars once, for the same combinations of settings.

Run: python -m benchmarks.backtest [FOLDER of recorded five-minute bars] [--coins 2] [--days 4] [--funding FILE]

Without a folder the bars are the seeded market's.  Then come the share of the cold run that the analyses themselves
take, CPU time a coin and day, the largest memory of a process, and what 150 coins over 90 days come to on two cores if
nothing else runs on them, in proportion.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar
from unittest.mock import patch

import pandas as pd

from services.backtest.recorded.recording import read_funding
from services.backtest.run import Backtest, BacktestPlan, look_over, run, span_of
from services.backtest.tuning.search import search
from services.backtest.walk import Walker
from services.simulator.market.replay import recordings
from services.simulator.market.seeded import SeededMarket
from services.simulator.market.tape import CLOSE, HIGH, LOW, OPEN, VOLUME
from shared.config.environment import MARKET
from shared.contracts import DAY_MS, SCAN_MS, Analysis
from shared.settings import RuntimeSettings

START: Final = 1_756_684_800_000  #: 2025-09-01
WARM_UP_DAYS: Final = 50  #: fill a 4h window of 300 bars
SCORES: Final = (60, 62, 64, 66, 68, 70, 72, 74)  #: the combinations of the search
WANTED: Final = (150, 90)  #: coins, days
CORES: Final = 2
Found = TypeVar("Found")


def write_seeded(folder: Path, coins: int, days: int) -> list[str]:
    """Write recordings of *coins* seeded coins that can be analysed for *days* days; return their names."""
    market = SeededMarket(coins, 11, START)
    first = (START - market.genesis) // 86_400_000
    made = [market.day(number).bars for number in range(first + WARM_UP_DAYS + days)][first:]
    rows = {"open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": VOLUME}
    for contract in market.contracts:
        columns = {name: [value for day in made for value in day[row, contract.row]] for name, row in rows.items()}
        times = [START + number * SCAN_MS for number in range(len(columns["open"]))]
        pd.DataFrame({"open_time": times} | columns).to_parquet(folder / f"{contract.symbol}.parquet")
    return [contract.symbol for contract in market.contracts]


def timed(work: Callable[[], Found]) -> tuple[float, Found]:
    """Return the CPU time of *work*, s, and what it returned."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


@contextmanager
def analysing() -> Iterator[list[float]]:
    """Yield the CPU times of the analyses that the block makes in this process, s."""
    took: list[float] = []
    whole = Walker.analyse

    def measured(walker: Walker, scan_id: int) -> Analysis | None:
        seconds, found = timed(lambda: whole(walker, scan_id))
        took.append(seconds)
        return found

    with patch.object(Walker, "analyse", measured):
        yield took


def with_score(score: float) -> RuntimeSettings:
    return RuntimeSettings.model_validate({"thresholds": {"score": score}})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--funding", type=Path)
    parser.add_argument("--coins", type=int, default=2)
    parser.add_argument("--days", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bars = asked.folder
        if bars is None:
            bars = Path(scratch) / "bars"
            bars.mkdir()
            write_seeded(bars, asked.coins, asked.days)
        coins, _ = look_over(bars, list(recordings(bars))[: asked.coins])
        plan = BacktestPlan(
            folder=bars,
            kept=Path(scratch) / "kept",
            market=MARKET,
            settings=RuntimeSettings(),
            symbols=tuple(coin.symbol for coin in coins),
            funding=read_funding(asked.funding) if asked.funding else {},
        )
        first, end = span_of(plan, coins)
        plan = replace(plan, last=min(end, first + asked.days * DAY_MS))

        def backtest(**changes: object) -> tuple[float, Backtest]:
            return timed(lambda: run(replace(plan, **changes), coins, lambda *_: None))  # type: ignore[arg-type]

        whole, every = backtest(kept=Path(scratch) / "every", all_scores=True)
        with analysing() as took:
            cold, found = backtest()
        other, warm = backtest(settings=with_score(72))
        one_by_one = sum(backtest(settings=with_score(score))[0] for score in SCORES)
        together, _ = timed(lambda: search(plan, [with_score(score) for score in SCORES], coins, lambda *_: None))
    print(
        f"{len(coins)} coins, {found.scans:,} scans of coins, {found.analysed:,} analysed ({every.analysed:,} without)"
    )
    print(f"scans a second of CPU: every scan {every.scans / whole:.0f}, with the shortcut {found.scans / cold:.0f}")
    print(f"ratio {whole / cold:.1f}")
    print(f"cold {cold:.1f} s, another threshold {other:.2f} s ({warm.analysed} analysed), ratio {cold / other:.1f}")
    share, each = sum(took) / cold, 1e3 * sum(took) / len(took)
    print(f"analyses and their windows take {share:.0%} of the cold run, {each:.1f} ms each")
    print(f"{len(SCORES)} backtests {one_by_one:.2f} s, one search {together:.2f} s, ratio {one_by_one / together:.1f}")
    print(f"largest memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024:.0f} MB")
    days = len(coins) * ((plan.last or end) - first) / DAY_MS
    print(f"CPU a coin and day: cold {1e3 * cold / days:.0f} ms, another threshold {1e3 * other / days:.1f} ms")
    share = WANTED[0] * WANTED[1] / days / CORES
    named = f"{WANTED[0]} coins × {WANTED[1]} days"
    print(f"{named}: cold {cold * share / 60:.1f} min, another threshold {other * share:.0f} s")


if __name__ == "__main__":
    main()
