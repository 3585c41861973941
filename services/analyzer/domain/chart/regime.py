"""The market's regime on one interval, walked over its closed bars with hysteresis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.analyzer.domain.chart.swings import Swings, known_structure, structure
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import NewSeries, Places, Series
from shared.contracts import Regime
from shared.kernels import kernel

TREND_ADX: Final = 25.0
RANGE_ADX: Final = 20.0
RANGE_BARS: Final = 48  #: over which the range is drawn
TOUCH_ZONE: Final = 0.15  #: of the range's height: how near a touch must come
TOUCHES: Final = 2  #: of each side
WICK_BARS: Final = 14
WICK_DECILE: Final = 0.9
LEAST: Final = 1e-300  #: instead of no range at all


@dataclass(frozen=True, slots=True)
class RegimeFigures:
    """The regime and what it was judged by."""

    regime: Regime
    direction: float  #: of ribbon or swing structure: −1, 0, 1
    swing: float  #: of the swing structure alone
    atr_ratio: float
    wick_share: float
    wick_limit: float


def judge(
    window: Window, series: Mapping[str, Series], swings: Swings, *, closed: int, volatile_ratio: float
) -> RegimeFigures:
    """Return the regime after the first *closed* bars of *window*.

    TRENDING and RANGING are walked from RANGING at the first bar; VOLATILE is judged at the last bar alone and wins.
    """
    swing, last = structure(swings), closed - 1
    fast, middle, slow = (series[f"ema_{period}"] for period in (20, 50, 100))
    points = (swings.high_at, swings.highs, swings.low_at, swings.lows)
    trend = last_trend(series["adx"], fast, middle, slow, *points, closed)
    since = max(trend + 1, RANGE_BARS - 1)
    ranging = trend < 0 or next_range(window.high, window.low, series["adx"], since, closed) >= 0
    ratio, ordered = series["atr_ratio"].item(last), order(fast.item(last), middle.item(last), slow.item(last))
    share, limit = _wicks(window, closed)
    # a constant market has the same wick share everywhere: a decile needs something to stand out from
    volatile = ratio > volatile_ratio or share > limit
    regime: Regime = "VOLATILE" if volatile else "RANGING" if ranging else "TRENDING"
    return RegimeFigures(regime, ordered or swing, swing, ratio, share, limit)


@kernel
def order(fast: float, middle: float, slow: float) -> float:
    """Return +1 where the ribbon's lines are ordered upwards, −1 downwards, 0 where they are not ordered."""
    if fast > middle > slow:
        return 1.0
    return -1.0 if fast < middle < slow else 0.0


@kernel
def last_trend(
    adx: Series,
    fast: Series,
    middle: Series,
    slow: Series,
    high_at: Places,
    highs: Series,
    low_at: Places,
    lows: Series,
    closed: int,
) -> int:
    """Return the last bar that trends, −1 where none does: the swings have a say where the ribbon has no order."""
    for back in range(1, closed + 1):
        at = closed - back
        if adx[at] > TREND_ADX and (
            order(fast[at], middle[at], slow[at]) != 0.0 or known_structure(high_at, highs, low_at, lows, at) != 0.0
        ):
            return at
    return -1


@kernel
def touched(high: Series, low: Series, last: int) -> bool:
    """Return whether the range of the `RANGE_BARS` until *last* was touched twice on each side.

    A touch enters the outer `TOUCH_ZONE` of the range and leaves it again before the next one counts.
    """
    first = last - RANGE_BARS + 1
    top, bottom = high[first], low[first]
    for at in range(first + 1, last + 1):
        top, bottom = max(top, high[at]), min(bottom, low[at])
    zone = TOUCH_ZONE * (top - bottom)
    upper, lower = 0, 0
    above: bool = False
    below: bool = False
    for at in range(first, last + 1):
        if high[at] >= top - zone and not above:
            upper += 1
        if low[at] <= bottom + zone and not below:
            lower += 1
        above, below = high[at] >= top - zone, low[at] <= bottom + zone
    return upper >= TOUCHES and lower >= TOUCHES and top > bottom


@kernel
def next_range(high: Series, low: Series, adx: Series, since: int, closed: int) -> int:
    """Return the first bar from *since* on that has no trend and a range that was `touched`, −1 without one."""
    for at in range(since, closed):
        if adx[at] < RANGE_ADX and touched(high, low, at):
            return at
    return -1


def _wicks(window: Window, closed: int) -> tuple[float, float]:
    """Return the last wick share and the limit of its top decile over the window."""
    shares = np.empty(closed - WICK_BARS + 1)
    fill_wick_shares(window.open, window.high, window.low, window.close, shares)
    last, place = shares.item(-1), int(WICK_DECILE * (len(shares) - 1))
    shares.partition(place)
    return last, shares.item(place)


@kernel
def fill_wick_shares(opened: Series, high: Series, low: Series, close: Series, shares: NewSeries) -> None:
    """Fill *shares* with the wicks' part of the last `WICK_BARS` bars' ranges, from the first bar that has so many."""
    spans: float = 0.0
    wicks: float = 0.0
    for at in range(len(shares) + WICK_BARS - 1):
        span = high[at] - low[at]
        spans += span
        wicks += span - abs(close[at] - opened[at])
        first = at - WICK_BARS + 1
        if first >= 0:
            shares[first] = wicks / max(spans, LEAST)
            span = high[first] - low[first]
            spans -= span
            wicks -= span - abs(close[first] - opened[first])
