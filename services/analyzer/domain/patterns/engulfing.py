"""Engulfing: a body that swallows the one before."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import talib
from services.analyzer.domain.pattern import Pattern


def find(window: Window) -> float:
    """Return +1 or −1 where the last body engulfs one of the other colour."""
    # TA-Lib says 80 instead of 100 where one end of the bodies is equal
    found = talib.CDLENGULFING(window.open, window.high, window.low, window.close)[-1]
    return float(found > 0) - float(found < 0)


ENTRY = Pattern(
    name="engulfing",
    find=find,
    definition="The body covers the whole body before it, of the other colour.",
    source="TA-Lib CDLENGULFING; Nison 1991",
)
