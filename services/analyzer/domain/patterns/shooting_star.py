"""Shooting star: a long upper wick that was sold."""

from __future__ import annotations

from services.analyzer.domain.chart.window import CLOSE, Window
from services.analyzer.domain.pattern import Pattern

TREND_BARS = 5


def find(window: Window) -> float:
    """Return −1 where the last bar has an upper wick of two bodies and two thirds of its range, after a rise."""
    bars = window.last_bars
    opened, high, low, close = bars[-1]
    wick, body, span = high - max(opened, close), abs(close - opened), high - low
    rose = bars[-2][CLOSE] > bars[-2 - TREND_BARS][CLOSE]
    return -1.0 if span > 0 and rose and wick >= 2.0 * body and wick >= span * 2.0 / 3.0 else 0.0


ENTRY = Pattern(
    name="shooting_star",
    find=find,
    definition="Upper wick at least twice the body and two thirds of the range, after closes rose over five bars.",
    source="Nison, Japanese Candlestick Charting Techniques (1991)",
)
