"""The market's regime on one interval, walked over its closed bars with hysteresis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.chart.swings import Indices, Swings, structure, structure_at
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import Series, talib
from shared.contracts import Regime

TREND_ADX: Final = 25.0
RANGE_ADX: Final = 20.0
RANGE_BARS: Final = 48  #: over which the range is drawn
TOUCH_ZONE: Final = 0.15  #: of the range's height: how near a touch must come
TOUCHES: Final = 2  #: of each side
SPAN: Final = np.arange(1 - RANGE_BARS, 1)
WICK_BARS: Final = 14
WICK_DECILE: Final = 0.9
LEAST: Final = np.float64(1e-300)  #: instead of no range at all


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
    ribbon, swing = _ribbon(series)[:closed], structure(swings)
    base = _walk(window, series["adx"][:closed], ribbon, swings)
    ratio = float(series["atr_ratio"][closed - 1])
    share, limit = _wicks(window, closed)
    # a constant market has the same wick share everywhere: a decile needs something to stand out from
    volatile = ratio > volatile_ratio or share > limit
    return RegimeFigures("VOLATILE" if volatile else base, float(ribbon[-1]) or swing, swing, ratio, share, limit)


def _ribbon(series: Mapping[str, Series]) -> npt.NDArray[np.int8]:
    """Return +1 where the ribbon is ordered upwards, −1 downwards, 0 where it is not ordered."""
    fast, middle, slow = series["ema_20"], series["ema_50"], series["ema_100"]
    up = (fast > middle) & (middle > slow)
    down = (fast < middle) & (middle < slow)
    return up.view(np.int8) - down.view(np.int8)


def _walk(window: Window, adx: Series, ribbon: npt.NDArray[np.int8], swings: Swings) -> Regime:
    """Return the last state that a bar has set; a bar that is neither leaves the one before."""
    trend = _last_trend(adx, ribbon, swings)
    since = max(trend, RANGE_BARS - 2) + 1
    if trend < 0 or _touched(window, (adx[since:] < RANGE_ADX).nonzero()[0] + since):
        return "RANGING"
    return "TRENDING"


def _last_trend(adx: Series, ribbon: npt.NDArray[np.int8], swings: Swings) -> int:
    """Return the last bar that trends, −1 where none does: the swings have a say where the ribbon has no order."""
    strong = adx > TREND_ADX
    last: int = (strong & (ribbon != 0)).tobytes().rfind(1)
    unordered = strong[last + 1 :].nonzero()[0] + (last + 1)
    if len(unordered):
        swinging = unordered[structure_at(swings, unordered) != 0]
        last = int(swinging[-1]) if len(swinging) else last
    return last


def _touched(window: Window, bars: Indices) -> bool:
    """Return whether, at any of *bars*, the range of the last `RANGE_BARS` was touched twice on each side.

    A touch enters the outer `TOUCH_ZONE` of the range and leaves it again before the next one counts.
    """
    if not len(bars):
        return False
    spans = bars + SPAN[:, None]
    high, low = window.high.take(spans), window.low.take(spans)
    top, bottom = np.maximum.reduce(high), np.minimum.reduce(low)
    zone = TOUCH_ZONE * (top - bottom)
    upper, lower = _entries(high >= top - zone), _entries(low <= bottom + zone)
    return bool(((upper >= TOUCHES) & (lower >= TOUCHES) & (top > bottom)).any())


def _entries(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    """Return how often each column becomes true."""
    entries = (inside[1:] > inside[:-1]).view(np.int8)  # whose sums stay below RANGE_BARS
    return np.asarray(inside[0] + np.add.reduce(entries, dtype=np.int8))


def _wicks(window: Window, closed: int) -> tuple[float, float]:
    """Return the last wick share and the limit of its top decile over the window."""
    span = (window.high - window.low)[:closed]
    wick = span - np.abs(window.close - window.open)[:closed]
    whole = talib.SUM(span, WICK_BARS)[WICK_BARS - 1 :]
    shares = talib.SUM(wick, WICK_BARS)[WICK_BARS - 1 :] / np.maximum(whole, LEAST, out=whole)
    last, place = float(shares[-1]), int(WICK_DECILE * (len(shares) - 1))
    shares.partition(place)
    return last, float(shares[place])
