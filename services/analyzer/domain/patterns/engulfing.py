"""Engulfing: a body that swallows the one before."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.pattern import Pattern


def find(window: Window) -> float:
    """Return +1 or −1 where the last body engulfs one of the other colour."""
    (opened_before, _, _, closed_before), (opened, _, _, closed) = window.last_bars[-2:]
    rises, rose = closed >= opened, closed_before >= opened_before
    over = max(opened, closed) - max(opened_before, closed_before)
    under = min(opened_before, closed_before) - min(opened, closed)
    engulfs = rises != rose and over >= 0 and under >= 0 and (over > 0 or under > 0)
    return (1.0 if rises else -1.0) if engulfs else 0.0


ENTRY = Pattern(
    name="engulfing",
    find=find,
    definition="The body covers the whole body before it, of the other colour.",
    source="Nison 1991; as TA-Lib CDLENGULFING",
)
