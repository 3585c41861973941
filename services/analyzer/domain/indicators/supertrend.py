"""Supertrend: a trailing band of average true ranges."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewSeries, Series, clip, smoothed, true_range
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD, FACTOR = 10, 3.0


@kernel
def follow(high: Series, low: Series, close: Series, line: NewSeries, direction: NewSeries) -> None:
    """Fill *line* and *direction*: walk the bars with both bands, and turn when a close crosses the one in force."""
    upper, lower, side, atr = math.inf, -math.inf, -1.0, 0.0
    for at in range(len(close)):
        atr = smoothed(atr, true_range(high, low, close, at), at, PERIOD)
        if at < PERIOD - 1:
            line[at] = direction[at] = math.nan
            continue
        middle, reach = (high[at] + low[at]) / 2.0, atr * FACTOR
        upper, lower = min(middle + reach, upper), max(middle - reach, lower)
        rises, falls = close[at] > upper, close[at] < lower
        if rises if side < 0.0 else falls:
            side = -side
        line[at] = lower if side > 0.0 else upper
        direction[at] = side
        # a band that a close has gone beyond starts anew with the next bar
        upper, lower = math.inf if rises else upper, -math.inf if falls else lower


def supertrend(window: Window) -> tuple[Series, Series]:
    """Return the line and its direction, +1 (rising, line below) or −1.

    Bands are (high + low) / 2 ± 3 × ATR 10 (Wilder); the lower one never falls and the upper one never rises while
    the close stays on its side.  The direction turns when a close crosses the line; the first bar's is −1.
    Source: TradingView, `ta.supertrend`.
    """
    line, direction = np.empty((2, len(window)))
    follow(window.high, window.low, window.close, line, direction)
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
