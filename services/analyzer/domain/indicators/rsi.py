"""Wilder's relative strength index."""

from __future__ import annotations

from services.analyzer.domain.indicator import Indicator, Reading
from services.analyzer.domain.numeric import Series, clip
from services.analyzer.domain.window import Window


def rsi(window: Window) -> tuple[Series]:
    """Return Wilder's RSI 14, 0 to 100; a window without losses is 100.

    Source: Wilder, New Concepts in Technical Trading Systems (1978), ch. 6.
    """
    return (window.rsi,)


def vote(reading: Reading) -> float:
    """Vote with momentum; in a range against the extreme."""
    distance = (reading["rsi"] - 50.0) / 20.0
    return clip(-distance if reading.mean_reverting else distance)


ENTRY = Indicator(
    name="rsi",
    family="momentum",
    series=("rsi",),
    compute=rsi,
    warm_up=(14,),
    group="momentum",
    vote=vote,
    weight=1.2,
    tolerance=1e-6,
    definition="100 − 100 / (1 + average gain / average loss), Wilder's averages.",
    parameters="14",
    units="0 to 100",
    source="Wilder 1978; TA-Lib RSI",
    tradingview="Equal, ta.rsi; a window without any change is 100 here and there (TA-Lib says 0).",
)
