"""Keltner channel, as the squeeze uses it."""

from __future__ import annotations

from services.analyzer.domain.indicator import Indicator, Reading
from services.analyzer.domain.numeric import Series, clip
from services.analyzer.domain.window import Window


def channel(window: Window) -> tuple[Series, Series]:
    """Return the upper and the lower line: SMA 20 of the close ± 1.5 × SMA 20 of the true range.

    Source: the channel of LazyBear's Squeeze Momentum Indicator.
    """
    return window.mean_20 + window.keltner_half, window.mean_20 - window.keltner_half


def vote(reading: Reading) -> float:
    """Vote with a price that leaves the channel; in a range against it."""
    upper, lower = reading["keltner_upper"], reading["keltner_lower"]
    if upper <= lower:
        return 0.0
    place = (2.0 * reading.close - upper - lower) / (upper - lower)
    return clip(-place if reading.mean_reverting else place)


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
