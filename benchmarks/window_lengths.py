"""How far the newest value of a window lies from the warm one: python -m benchmarks.window_lengths [--coins 12]

Over the recorded bars, at moments spread evenly: every series of the catalogue from the last 300, 499 and 998 bars
against the same series over all bars before.  Price series are compared in per cent of the price, the others in per
cent of their range (100 points) or of their value.  Series of which only differences or the day since midnight mean
anything, and switches (a direction, a squeeze) are left out; a direction that differs shows in its line.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator, catalogue
from services.analyzer.domain.indicators.ema import PERIODS
from services.simulator.market.replay import fill_in
from services.simulator.market.tape import CLOSE, COLUMNS, QUOTE, TAKER, aggregate
from shared.contracts import INTERVALS, SCAN_MS, Floats, Interval

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
YEAR: Final = DATA / "exchanges" / "venues_1h_ohlcv_5coins_2025-03_2026-03.parquet"  #: 93 days hold no 998 bars of 4h
LENGTHS: Final = (300, 499, 998)
WARM: Final = 1_400  #: bars before the first moment
MOMENTS: Final = 200  #: of each coin
SHORT: Final[tuple[Interval, ...]] = ("5m", "15m", "1h")
LONG: Final[tuple[Interval, ...]] = ("1h", "4h")
PRICES: Final = ("open", "high", "low", "close", "volume")
SWITCHES: Final = {"supertrend_direction", "squeeze_on"}
NUMBERS: Final = {"atr_ratio", "volume_ratio"}


def matrix(frame: pd.DataFrame, own: int, interval: Interval) -> Floats:
    """Return the bars of *interval* that the bars of *own* ms in *frame* make up, whole ones only, shape (8, n)."""
    width, bars = INTERVALS[interval] // own, np.full((COLUMNS, len(frame)), np.nan)
    bars[: len(PRICES)] = frame[list(PRICES)].to_numpy(np.float64).T
    fill_in(bars, {})
    times = frame["open_time"].to_numpy(np.float64)
    lead = int(-times[0] // own % width)
    bars, times = bars[:, lead:], times[lead:]
    whole = bars.shape[1] // width * width
    wide = aggregate(bars[:, None, :whole], width)[:, 0] if width > 1 else bars[:, :whole]
    return np.stack([times[:whole:width], *wide[: CLOSE + 2], wide[QUOTE], wide[TAKER]])


def recorded(coins: int) -> Iterator[tuple[Interval, Floats]]:
    """Yield recorded bars by interval: of *coins* coins over 93 days, and of five over a year for 1h and 4h."""
    for path in sorted((DATA / "market" / "um_5m").glob("*.parquet"))[:coins]:
        frame = pd.read_parquet(path)
        for interval in SHORT:
            yield interval, matrix(frame, SCAN_MS, interval)
    year = pd.read_parquet(YEAR)
    for _, frame in year[year["venue"] == "binance"].groupby("coin", observed=True):
        whole = frame.sort_values("open_time").drop_duplicates("open_time")
        run = (whole["open_time"].diff() != INTERVALS["1h"]).cumsum()  # the longest piece without a hole
        longest = whole[run == run.value_counts().index[0]]
        for interval in LONG:
            yield interval, matrix(longest, INTERVALS["1h"], interval)


def error(entry: Indicator, name: str, newest: float, warm: float, price: float) -> float:
    """Return how far *newest* is off, in per cent."""
    unit = price if entry.scale == "price" and name not in NUMBERS else abs(warm) if name in NUMBERS else 100.0
    return 100.0 * abs(newest - warm) / unit


def errors(interval: Interval, bars: Floats, found: dict[tuple[Interval, int, str], list[float]]) -> None:
    """Add to *found* every moment's errors."""
    whole = Window(interval, bars)
    entries = [one for one in catalogue().values() if not one.drifts and not one.anchored]
    warm = {one.name: one.compute(whole) for one in entries}
    for end in np.linspace(WARM, len(whole), MOMENTS, dtype=int):
        for length in LENGTHS:
            window = whole.part(int(end) - length, int(end))
            for entry in entries:
                for name, series, full in zip(entry.series, entry.compute(window), warm[entry.name], strict=True):
                    if name not in SWITCHES:
                        off = error(entry, name, float(series[-1]), float(full[end - 1]), float(whole.close[end - 1]))
                        found.setdefault((interval, length, name), []).append(off)


def main(coins: int) -> None:
    """Print the worst error of each interval and length, of the slow averages and of everything else."""
    found: dict[tuple[Interval, int, str], list[float]] = {}
    pieces = [piece for piece in recorded(coins) if piece[1].shape[1] > WARM]
    for interval, bars in pieces:
        errors(interval, bars, found)
    slow = [f"ema_{period}" for period in PERIODS[2:]]
    others = sorted({name for _, _, name in found} - set(slow))
    print("worst error in %, of so many moments:")
    print(f"{'':5}{'bars':>5}{'moments':>9}" + "".join(f"{name:>12}" for name in slow) + "  the worst other")
    for interval in INTERVALS:
        for length in LENGTHS:
            worst = {name: max(found[interval, length, name]) for name in [*slow, *others]}
            last = max(others, key=worst.__getitem__)
            count = len(found[interval, length, slow[0]])
            averages = "".join(f"{worst[name]:12.6f}" for name in slow)
            print(f"{interval:5}{length:5}{count:9}{averages}  {last} {worst[last]:.2g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coins", type=int, default=12)
    main(parser.parse_args().coins)
