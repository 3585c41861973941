"""Squeeze momentum: Bollinger inside Keltner, and which way it leans."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.indicators.bollinger import reach
from services.analyzer.domain.indicators.keltner import half_width
from services.analyzer.domain.numeric import NewRows, Series, blank, highest_of, lowest_of, mean_of, regressed
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD = 20


@kernel
def fill(high: Series, low: Series, close: Series, since: int, lines: NewRows) -> None:
    """Fill *lines* with the squeeze and the momentum from the bar *since* on; the third is the close's distance."""
    start = max(since, PERIOD - 1)
    blank(lines, max(since, 2 * PERIOD - 2))
    for at in range(start, len(close)):
        lines[0, at] = 1.0 if reach(close, at) < half_width(high, low, close, at) else 0.0
    for at in range(max(since - PERIOD + 1, PERIOD - 1), len(close)):
        middle = (highest_of(high, at, PERIOD) + lowest_of(low, at, PERIOD)) / 2.0
        lines[2, at] = close[at] - (middle + mean_of(close, at, PERIOD)) * 0.5
    for at in range(max(since, 2 * PERIOD - 2), len(close)):
        lines[1, at] = regressed(lines[2], at, PERIOD)


def squeeze(window: Window) -> tuple[Series, Series]:
    """Return 1 while the Bollinger bands lie inside the Keltner channel, else 0; and the momentum.

    Momentum is the end of a linear regression over 20 bars of close − mean(mean(highest high, lowest low), SMA).
    Source: John Carter's squeeze in LazyBear's form; LazyBear's script uses 1.5 σ for the bands, this one 2.0.
    """
    lines = np.empty((3, len(window)))
    fill(window.high, window.low, window.close, window.since, lines)
    return lines[0], lines[1]


def vote(context: VoteContext) -> float:
    """Vote with the momentum; in a range with its turn."""
    if context.mean_reverting:
        return math.tanh(6.0 * (context["squeeze_momentum"] - context.before("squeeze_momentum")) / context.atr)
    return math.tanh(1.5 * context["squeeze_momentum"] / context.atr)


ENTRY = Indicator(
    name="squeeze",
    family="momentum",
    series=("squeeze_on", "squeeze_momentum"),
    compute=squeeze,
    warm_up=(19, 38),
    group="momentum",
    vote=vote,
    scale="price",
    tolerance=1e-6,
    definition="Bollinger 20, 2.0 σ inside Keltner SMA 20 ± 1.5 × SMA 20 of the true range; linear regression of the "
    "distance from the mean of the channel's middle and the SMA.",
    parameters="Bollinger 20, 2.0; Keltner 20, 1.5; regression 20",
    units="squeeze_on 0 or 1; momentum in price",
    source="LazyBear, Squeeze Momentum Indicator (TradingView)",
    tradingview="The momentum is equal. squeeze_on differs: LazyBear's bands are 1.5 σ instead of 2.0 σ.",
)
