"""Morning star: three bars that turn a fall."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import talib
from services.analyzer.domain.pattern import Pattern


def find(window: Window) -> float:
    """Return +1 where the last three bars are a morning star."""
    return float(talib.CDLMORNINGSTAR(window.open, window.high, window.low, window.close, 0.3)[-1]) / 100.0


ENTRY = Pattern(
    name="morning_star",
    find=find,
    definition="A long fall, a small body below it, and a rise deep into the first body.",
    source="TA-Lib CDLMORNINGSTAR; Nison 1991",
)
