"""Evening star: three bars that turn a rise."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import talib
from services.analyzer.domain.pattern import Pattern


def find(window: Window) -> float:
    """Return −1 where the last three bars are an evening star."""
    (opened, _, _, closed), (star_opened, _, _, star_closed), _ = window.last_bars[-3:]
    if min(star_opened, star_closed) <= max(opened, closed):  # hardly ever a gap, which is quicker seen than the rest
        return 0.0
    return float(talib.CDLEVENINGSTAR(window.open, window.high, window.low, window.close, 0.3)[-1]) / 100.0


ENTRY = Pattern(
    name="evening_star",
    find=find,
    definition="A long rise, a small body above it, and a fall deep into the first body.",
    source="TA-Lib CDLEVENINGSTAR; Nison 1991",
)
