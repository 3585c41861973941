"""Commodity channel index."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, clip, talib
from services.analyzer.domain.vote_context import VoteContext

PERIOD = 20


def channel_index(window: Window) -> tuple[Series]:
    """Return (typical price − its SMA) / (0.015 × its mean deviation); 0 without deviation.

    Source: Donald Lambert, Commodities magazine (October 1980).
    """
    return (talib.CCI(window.high, window.low, window.close, PERIOD),)


def vote(context: VoteContext) -> float:
    """Vote with momentum; in a range against the extreme."""
    distance = context["cci"] / 100.0
    return clip(-distance if context.mean_reverting else distance)


ENTRY = Indicator(
    name="cci",
    family="momentum",
    series=("cci",),
    compute=channel_index,
    warm_up=(19,),
    group="momentum",
    vote=vote,
    weight=0.8,
    tolerance=1e-6,
    definition="Distance of (high + low + close) / 3 from its mean, in mean deviations of 0.015.",
    parameters="20",
    units="none",
    source="Lambert 1980; TA-Lib CCI",
    tradingview="Equal to ta.cci of hlc3: mean deviation, not standard deviation.",
)
