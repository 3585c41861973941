"""Votes that come from no single indicator: structure, impulse, levels and the futures market."""

from __future__ import annotations

import math
from typing import Final

from services.analyzer.domain import fmqs
from services.analyzer.domain.futures import FuturesFigures
from services.analyzer.domain.indicator import Group, Reading
from services.analyzer.domain.levels import Map, nearest
from services.analyzer.domain.numeric import clip
from services.analyzer.domain.regime import RegimeFigures

#: vote -> (group, weight within the group)
OPINIONS: Final[dict[str, tuple[Group, float]]] = {
    "swing_structure": ("price action", 1.0),
    "impulse": ("price action", 1.0),
    "levels": ("structure", 1.0),
    "funding": ("derivatives", 1.0),
    "open_interest": ("derivatives", 1.2),
    "skew": ("derivatives", 0.8),
    "imbalance": ("derivatives", 0.5),
}
IMPULSE_BARS: Final = 3
FAR: Final = 3.0  #: ATR: how far away a level counts as none


def chart_opinions(reading: Reading, figures: RegimeFigures, drawn: Map) -> dict[str, float]:
    """Return the votes of one interval's chart."""
    return {
        "swing_structure": figures.swing if figures.swing else 0.5 * figures.direction,
        "impulse": impulse(reading),
        "levels": room(reading, drawn),
    }


def impulse(reading: Reading) -> float:
    """Vote with the last three bars' move, in ATR."""
    window = reading.window
    return math.tanh((reading.close - float(window.open[-IMPULSE_BARS])) / reading.atr)


def room(reading: Reading, drawn: Map) -> float:
    """Vote for the side with more room to the next level; in a trend for the side without any level left."""
    below, above = nearest(drawn, reading.close)
    under = FAR if below is None else min(FAR, (reading.close - below) / reading.atr)
    over = FAR if above is None else min(FAR, (above - reading.close) / reading.atr)
    return clip((over - under) / FAR)


def futures_opinions(figures: FuturesFigures) -> dict[str, float]:
    """Return the votes of the futures market; what is not fresh does not vote."""
    parts = {
        "funding": _lean(fmqs.funding(figures, 1.0), fmqs.funding(figures, -1.0)),
        "open_interest": _lean(fmqs.open_interest(figures, 1.0), fmqs.open_interest(figures, -1.0)),
        "skew": _lean(fmqs.skew(figures, 1.0), fmqs.skew(figures, -1.0)),
        "imbalance": None if figures.imbalance is None else clip(2.0 * figures.imbalance),
    }
    return {name: vote for name, vote in parts.items() if vote is not None}


def _lean(long: float | None, short: float | None) -> float | None:
    return None if long is None or short is None else clip((long - short) / 100.0)
