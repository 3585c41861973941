"""Supertrend: a trailing band of average true ranges."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.indicator import Indicator, Reading
from services.analyzer.domain.numeric import Series, clip, lead
from services.analyzer.domain.window import Window

PERIOD, FACTOR = 10, 3.0
PIECE = 100  #: bars that are walked at once


def trailing(bands: Series, close: Series) -> Series:
    """Return the band that only rises, until a close below it lets it start anew.

    It walks from one restart to the next, not from bar to bar: between two restarts the band is a running maximum.
    """
    held = bands.copy()
    start, count = 0, len(bands)
    while start < count:
        run = held[start : start + PIECE]
        np.maximum.accumulate(run, out=run)
        broken = close[start : start + PIECE] < run
        first = int(broken.argmax())
        if broken[first]:
            run[first + 1 :] = bands[start + first + 1 : start + PIECE]
            start += first + 1
        else:
            start += PIECE
            if start < count:  # the run goes on into the next piece
                held[start] = max(held[start], run[-1])
    return held


def supertrend(window: Window) -> tuple[Series, Series]:
    """Return the line and its direction, +1 (rising, line below) or −1.

    Bands are (high + low) / 2 ± 3 × ATR 10 (Wilder); the lower one never falls and the upper one never rises while
    the close stays on its side.  The direction turns when a close crosses the band of the bar before.
    Source: TradingView, `ta.supertrend`.
    """
    first = PERIOD - 1
    middle = (window.high[first:] + window.low[first:]) * 0.5
    reach = FACTOR * window.mean_range(PERIOD)[first:]
    close = window.close[first:]
    lower = trailing(middle - reach, close)
    upper = -trailing(-(middle + reach), -close)
    direction = _direction(close, lower, upper)
    line = np.where(direction > 0, lower, upper)
    return lead(line, first), lead(direction, first)


def _direction(close: Series, lower: Series, upper: Series) -> Series:
    """Return +1 from the close that rises above the upper band on, −1 from the one below the lower band."""
    turns = np.zeros(len(close))
    # the band of a bar restarts only after a close beyond it, so that bar's own band is the one to cross
    turns[close > upper] = 1.0
    turns[close < lower] = -1.0
    turns[0] = turns[0] or -1.0
    last = np.maximum.accumulate(np.where(turns != 0, np.arange(len(turns)), 0))
    return np.asarray(turns[last])


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
