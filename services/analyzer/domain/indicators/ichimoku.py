"""Ichimoku: the lines and the spans that are seen at a bar."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewRows, Series, blank, highest_of, lowest_of
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

TENKAN, KIJUN, SPAN = 9, 26, 52
SHIFT = 25  #: a displacement of 26 counts the bar itself


@kernel
def middle(high: Series, low: Series, at: int, period: int) -> float:
    """Return the middle of the range of the last *period* bars at the bar *at*; NaN where there are fewer."""
    if at < period - 1:
        return math.nan
    return (highest_of(high, at, period) + lowest_of(low, at, period)) / 2.0


@kernel
def fill(high: Series, low: Series, since: int, lines: NewRows) -> None:
    """Fill *lines* with tenkan, kijun and both spans from the bar *since* on."""
    blank(lines, since)
    for at in range(since, len(high)):
        shown = at - SHIFT
        lines[0, at] = middle(high, low, at, TENKAN)
        lines[1, at] = middle(high, low, at, KIJUN)
        lines[2, at] = 0.5 * (middle(high, low, shown, TENKAN) + middle(high, low, shown, KIJUN))
        lines[3, at] = middle(high, low, shown, SPAN)


def ichimoku(window: Window) -> tuple[Series, ...]:
    """Return tenkan, kijun and the two spans shown at each bar (computed 25 bars before).

    Source: TradingView, Ichimoku Cloud (9, 26, 52, displacement 26: the plot's offset is displacement − 1).
    """
    lines = np.empty((4, len(window)))
    fill(window.high, window.low, window.since, lines)
    return tuple(lines)


def vote(context: VoteContext) -> float:
    """Vote with the price's side of the cloud it is in now, and tenkan's of kijun."""
    top, bottom = (pick(context["senkou_a"], context["senkou_b"]) for pick in (max, min))
    beyond = max(0.0, context.close - top) + min(0.0, context.close - bottom)
    cross = (context["tenkan"] - context["kijun"]) / context.atr
    return 0.6 * math.tanh(2.0 * beyond / context.atr) + 0.4 * math.tanh(2.0 * cross)


ENTRY = Indicator(
    name="ichimoku",
    family="trend",
    series=("tenkan", "kijun", "senkou_a", "senkou_b"),
    compute=ichimoku,
    warm_up=(8, 25, 50, 76),
    group="trend",
    vote=vote,
    weight=0.8,
    scale="price",
    definition="Middles of the range over 9 and 26 bars; spans of 25 bars before: their mean, the middle over 52.",
    parameters="9, 26, 52, displacement 26",
    units="price",
    source="TradingView, Ichimoku Cloud",
    tradingview="Equal: senkou_a and senkou_b are the spans drawn at that bar.",
)
