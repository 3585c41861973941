"""Evening star: three bars that turn a rise."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import talib
from services.analyzer.domain.pattern import Pattern


def find(window: Window) -> float:
    """Return −1 where the last three bars are an evening star."""
    return float(talib.CDLEVENINGSTAR(window.open, window.high, window.low, window.close, 0.3)[-1]) / 100.0


ENTRY = Pattern(
    name="evening_star",
    find=find,
    definition="A long rise, a small body above it, and a fall deep into the first body.",
    source="TA-Lib CDLEVENINGSTAR; Nison 1991",
)
