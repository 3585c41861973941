"""Inside-bar breakout: a close beyond the bar that held the one before."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.pattern import Pattern


def find(window: Window) -> float:
    """Return +1 or −1 where the last close leaves the mother bar of an inside bar."""
    (_, mother_high, mother_low, _), (_, high, low, _), (_, _, _, close) = window.last_bars[-3:]
    inside = high <= mother_high and low >= mother_low and mother_high > mother_low
    return float(close > mother_high) - float(close < mother_low) if inside else 0.0


ENTRY = Pattern(
    name="inside_breakout",
    find=find,
    definition="The bar before lies within its predecessor, and this close beyond that one.",
    source="Thomas Bulkowski, Encyclopedia of Candlestick Charts (2008): inside bar",
)
