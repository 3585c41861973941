"""Keltner channel, as the squeeze uses it."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewRows, Series, blank, clip, mean_of, true_range
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD, RANGES = 20, 1.5


@kernel
def half_width(high: Series, low: Series, close: Series, at: int) -> float:
    """Return how far the lines lie from their middle at the bar *at*: 1.5 × the mean true range of 20 bars."""
    total = 0.0
    for place in range(at + 1 - PERIOD, at + 1):
        total += true_range(high, low, close, place)
    return RANGES * (total / PERIOD)


@kernel
def fill(high: Series, low: Series, close: Series, since: int, lines: NewRows) -> None:
    """Fill *lines* with the upper and the lower line from the bar *since* on."""
    start = max(since, PERIOD - 1)
    blank(lines, start)
    for at in range(start, len(close)):
        middle, half = mean_of(close, at, PERIOD), half_width(high, low, close, at)
        lines[0, at] = middle + half
        lines[1, at] = middle - half


def channel(window: Window) -> tuple[Series, Series]:
    """Return the upper and the lower line: SMA 20 of the close ± 1.5 × SMA 20 of the true range.

    The true range of a window's first bar is high − low.
    Source: the channel of LazyBear's Squeeze Momentum Indicator.
    """
    lines = np.empty((2, len(window)))
    fill(window.high, window.low, window.close, window.since, lines)
    return lines[0], lines[1]


def vote(context: VoteContext) -> float:
    """Vote with a price that leaves the channel; in a range against it."""
    upper, lower = context["keltner_upper"], context["keltner_lower"]
    if upper <= lower:
        return 0.0
    place = (2.0 * context.close - upper - lower) / (upper - lower)
    return clip(-place if context.mean_reverting else place)


ENTRY = Indicator(
    name="keltner",
    family="volatility",
    series=("keltner_upper", "keltner_lower"),
    compute=channel,
    warm_up=(19, 19),
    group="momentum",
    vote=vote,
    scale="price",
    definition="SMA 20 of the close ± 1.5 × SMA 20 of the true range.",
    parameters="20, 1.5",
    units="price",
    source="LazyBear, Squeeze Momentum Indicator (TradingView)",
    tradingview="Equal to LazyBear's channel; TradingView's own Keltner indicator averages by EMA and ATR.",
)
