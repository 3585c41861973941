"""Supertrend: a trailing band of average true ranges."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.indicators.atr import average_true_range
from services.analyzer.domain.numeric import Series, clip, talib
from services.analyzer.domain.vote_context import VoteContext

PERIOD, FACTOR = 10, 3.0
FIRST = PERIOD - 1  #: the first bar that has bands
PIECE = 96  #: bars that are walked at once


def trailing(bands: Series, close: Series, tighter: np.ufunc, beyond: np.ufunc) -> tuple[Series, list[int]]:
    """Return the band that only gets *tighter*, and the bars whose close is *beyond* it: the next lets it start anew.

    It walks from one restart to the next, not from bar to bar: between two restarts the band is a running extreme.
    """
    held, crossed, trail = np.empty_like(bands), list[int](), tighter.accumulate
    held[:FIRST] = np.nan
    start, count = FIRST, len(bands)
    while start < count:
        end = start + PIECE
        run = trail(bands[start:end], 0, None, held[start:end])
        first = beyond(close[start:end], run).tobytes().find(1)
        if first >= 0:
            start += first + 1
            crossed.append(start - 1)
        elif end < count:
            start = end - 1  # the run goes on from its last value
            bands[start] = run[-1]
        else:
            break
    return held, crossed


def supertrend(window: Window) -> tuple[Series, Series]:
    """Return the line and its direction, +1 (rising, line below) or −1.

    Bands are (high + low) / 2 ± 3 × ATR 10 (Wilder); the lower one never falls and the upper one never rises while
    the close stays on its side.  The direction turns when a close crosses the line; the first bar's is −1.
    Source: TradingView, `ta.supertrend`.
    """
    close, middle, reach = window.close, talib.MEDPRICE(window.high, window.low), average_true_range(window, PERIOD)
    reach *= FACTOR
    lower, falls = trailing(middle - reach, close, np.maximum, np.less)
    line, rises = trailing(middle + reach, close, np.minimum, np.greater)
    falls.append(len(line))
    direction = np.empty_like(line)
    direction[:FIRST], direction[FIRST:] = np.nan, -1.0
    until = FIRST
    for since in rises:
        if since > until:  # else the line was below already
            until = falls[bisect_right(falls, since)]
            line[since:until] = lower[since:until]
            direction[since:until] = 1.0
    return line, direction


def vote(context: VoteContext) -> float:
    """Vote with the direction, less while the price has come back to the line."""
    room = abs(context.close - context["supertrend"]) / context.atr
    return context["supertrend_direction"] * clip(0.4 + 0.4 * room, 0.4, 1.0)


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
