"""Keltner channel, as the squeeze uses it."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.indicators.atr import true_range
from services.analyzer.domain.numeric import Series, clip, forget, talib
from services.analyzer.domain.vote_context import VoteContext


def half_width(window: Window) -> Series:
    """Return 1.5 × SMA 20 of the true range, that of the first bar being high − low."""
    spans = true_range(window)
    half = forget(talib.SMA(spans, 20), spans, 20)
    half *= 1.5
    return half


def channel(window: Window) -> tuple[Series, Series]:
    """Return the upper and the lower line: SMA 20 of the close ± 1.5 × SMA 20 of the true range.

    Source: the channel of LazyBear's Squeeze Momentum Indicator.
    """
    half = window.shared(half_width)
    return window.mean_20 + half, window.mean_20 - half


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
