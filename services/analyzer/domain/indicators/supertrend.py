"""Supertrend: a trailing band of average true ranges."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.indicator import Indicator, Reading
from services.analyzer.domain.numeric import Series, clip
from services.analyzer.domain.window import Window

PERIOD, FACTOR = 10, 3.0
PIECE = 96  #: bars that are walked at once


def trailing(bands: Series, close: Series, tighter: np.ufunc, beyond: np.ufunc) -> Series:
    """Return the band that only gets *tighter*, until a close *beyond* it lets it start anew.

    It walks from one restart to the next, not from bar to bar: between two restarts the band is a running extreme.
    *tighter* is `fmax` or `fmin`, which leave a band NaN until it is warm.
    """
    held, count, trail = np.empty_like(bands), len(bands), tighter.accumulate
    start = 0
    while start < count:
        piece = slice(start, start + PIECE)
        run = trail(bands[piece], 0, None, held[piece])
        first = beyond(close[piece], run).tobytes().find(1)
        if first >= 0:
            start += first + 1
        elif len(run) < PIECE:
            break
        else:
            start += PIECE - 1  # the run goes on from its last value
            bands[start] = run[-1]
    return held


def supertrend(window: Window) -> tuple[Series, Series]:
    """Return the line and its direction, +1 (rising, line below) or −1.

    Bands are (high + low) / 2 ± 3 × ATR 10 (Wilder); the lower one never falls and the upper one never rises while
    the close stays on its side.  The direction turns when a close crosses the band of the bar before.
    Source: TradingView, `ta.supertrend`.
    """
    close, middle, reach = window.close, window.high + window.low, window.mean_range(PERIOD)
    middle *= 0.5
    reach *= FACTOR
    lower = trailing(middle - reach, close, np.fmax, np.less)
    upper = trailing(middle + reach, close, np.fmin, np.greater)
    direction = _direction(close, lower, upper)
    direction[: PERIOD - 1] = np.nan
    return np.where(direction > 0, lower, upper), direction


def _direction(close: Series, lower: Series, upper: Series) -> Series:
    """Return −1 until a close rises above the upper band, +1 from there, −1 from the close below the lower band."""
    # the band of a bar restarts only after a close beyond it, so that bar's own band is the one to cross
    below, above = close < lower, close > upper
    above[:PERIOD] = False  # the first bar falls, whatever its close
    turns = (above | below).nonzero()[0]
    edges = np.concatenate(((0,), turns, (len(close),)))
    sides = np.where(above[edges[:-1]], 1.0, -1.0)
    both = above & below
    if np.count_nonzero(both):  # a flash crash moves the bands over each other: the line is the one that is crossed
        for place in np.flatnonzero(both[turns]) + 1:
            sides[place] = -sides[place - 1]
    return np.repeat(sides, edges[1:] - edges[:-1])


def vote(reading: Reading) -> float:
    """Vote with the direction, less while the price has come back to the line."""
    room = abs(reading.close - reading["supertrend"]) / reading.atr
    return reading["supertrend_direction"] * clip(0.4 + 0.4 * room, 0.4, 1.0)


ENTRY = Indicator(
    name="supertrend",
    family="trend",
    series=("supertrend", "supertrend_direction"),
    compute=supertrend,
    warm_up=(9, 9),
    group="trend",
    vote=vote,
    weight=1.2,
    scale="price",
    tolerance=1e-6,
    definition="(high + low) / 2 ± 3 × ATR, trailed while the close stays on its side.",
    parameters="ATR 10 (Wilder), factor 3.0",
    units="price; direction +1 up, −1 down",
    source="TradingView ta.supertrend",
    tradingview="Equal line; the direction has the opposite sign (TradingView shows −1 for up).",
)
