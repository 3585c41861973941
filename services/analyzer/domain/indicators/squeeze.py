"""Squeeze momentum: Bollinger inside Keltner, and which way it leans."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.indicators.bollinger import reach
from services.analyzer.domain.indicators.keltner import half_width
from services.analyzer.domain.numeric import Series, talib
from services.analyzer.domain.vote_context import VoteContext

PERIOD = 20


def squeeze(window: Window) -> tuple[Series, Series]:
    """Return 1 while the Bollinger bands lie inside the Keltner channel, else 0; and the momentum.

    Momentum is the end of a linear regression over 20 bars of close − mean(mean(highest high, lowest low), SMA).
    Source: John Carter's squeeze in LazyBear's form; LazyBear's script uses 1.5 σ for the bands, this one 2.0.
    """
    inside = (window.shared(reach) < window.shared(half_width)).astype(np.float64)
    inside[: PERIOD - 1] = np.nan
    middle = talib.MIDPRICE(window.high, window.low, PERIOD)
    middle += window.mean_20
    middle *= 0.5
    return inside, talib.LINEARREG(window.close - middle, PERIOD)


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
