"""ADX with the directional indicators."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, clip, talib
from services.analyzer.domain.vote_context import VoteContext

PERIOD = 14


def directional(window: Window) -> tuple[Series, Series, Series]:
    """Return ADX, +DI and −DI, 0 to 100.

    Source: Wilder, New Concepts in Technical Trading Systems (1978), ch. 4, as TA-Lib computes it.
    """
    bars = (window.high, window.low, window.close, PERIOD)
    return talib.ADX(*bars), talib.PLUS_DI(*bars), talib.MINUS_DI(*bars)


def vote(context: VoteContext) -> float:
    """Vote with the stronger direction, the more the stronger the trend."""
    plus, minus = context["plus_di"], context["minus_di"]
    total = plus + minus
    return clip(2.0 * (plus - minus) / total) * clip(context["adx"] / 25.0, 0.0, 1.0) if total > 0 else 0.0


ENTRY = Indicator(
    name="adx",
    family="trend",
    series=("adx", "plus_di", "minus_di"),
    compute=directional,
    warm_up=(27, 14, 14),
    group="trend",
    vote=vote,
    weight=0.8,
    tolerance=1e-6,
    definition="Wilder's directional movement over true range, smoothed; ADX smooths their relative difference.",
    parameters="14",
    units="0 to 100",
    source="Wilder 1978; TA-Lib ADX, PLUS_DI, MINUS_DI",
    tradingview="Differs only while the first sums matter: TA-Lib's hold 13 bars, ta.dmi's 14.",
)
