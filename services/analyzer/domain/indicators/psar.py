"""Parabolic SAR: stop and reverse."""

from __future__ import annotations

import math

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, clip, talib
from services.analyzer.domain.vote_context import VoteContext


def parabolic(window: Window) -> tuple[Series]:
    """Return the stop-and-reverse price.

    Source: Wilder, New Concepts in Technical Trading Systems (1978), ch. 2, as TA-Lib computes it.
    """
    return (talib.SAR(window.high, window.low, 0.02, 0.2),)


def vote(context: VoteContext) -> float:
    """Vote for the side of the price that the stop is not on."""
    room = (context.close - context["psar"]) / context.atr
    return math.copysign(clip(0.4 + 0.4 * abs(room), 0.4, 1.0), room)


ENTRY = Indicator(
    name="psar",
    family="trend",
    series=("psar",),
    compute=parabolic,
    warm_up=(1,),
    group="trend",
    vote=vote,
    weight=1.0,
    scale="price",
    tolerance=1e-6,
    definition="A stop that accelerates towards the price with each new extreme and reverses when touched.",
    parameters="start 0.02, increment 0.02, maximum 0.2",
    units="price",
    source="Wilder 1978; TA-Lib SAR",
    tradingview="Equal after the first reversal: directional movement chooses the first side, not closes.",
)
