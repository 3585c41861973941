"""Marubozu: a long body without wicks."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import talib
from services.analyzer.domain.pattern import Pattern


def find(window: Window) -> float:
    """Return +1 or −1 where the last bar is a long body with hardly any wick."""
    return float(talib.CDLMARUBOZU(window.open, window.high, window.low, window.close)[-1]) / 100.0


ENTRY = Pattern(
    name="marubozu",
    find=find,
    definition="A long body whose wicks are very short.",
    source="TA-Lib CDLMARUBOZU; Nison 1991",
)
