"""Hammer and pin bar: a long lower wick that was bought."""

from __future__ import annotations

from services.analyzer.domain.chart.window import CLOSE, Window
from services.analyzer.domain.pattern import Pattern

TREND_BARS = 5


def find(window: Window) -> float:
    """Return +1 where the last bar has a lower wick of two bodies and two thirds of its range, after a fall."""
    bars = window.last_bars
    opened, high, low, close = bars[-1]
    wick, body, span = min(opened, close) - low, abs(close - opened), high - low
    fell = bars[-2][CLOSE] < bars[-2 - TREND_BARS][CLOSE]
    return 1.0 if span > 0 and fell and wick >= 2.0 * body and wick >= span * 2.0 / 3.0 else 0.0


ENTRY = Pattern(
    name="hammer",
    find=find,
    definition="Lower wick at least twice the body and two thirds of the range, after closes fell over five bars.",
    source="Nison, Japanese Candlestick Charting Techniques (1991); pin bar: Martin Pring",
)
