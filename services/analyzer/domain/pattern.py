"""What an entry of the pattern catalogue is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from services.analyzer.domain.chart.window import Window
from shared.registry import discover

LOOK_BACK: Final = 24  #: bars that a pattern may look at: TA-Lib compares a body with the ten before it


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A candlestick pattern: found at the last bar of a window, or not."""

    name: str
    find: Callable[[Window], float]  #: +1 bullish, −1 bearish, 0 not there
    definition: str
    source: str


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Pattern]:
    """Return every pattern by name."""
    return discover("services.analyzer.domain.patterns", Pattern)


def find_all(window: Window, *, closed: int) -> dict[str, float]:
    """Return the patterns that end at the last of the first *closed* bars."""
    recent = window.part(max(0, closed - LOOK_BACK), closed)
    found = ((pattern.name, pattern.find(recent)) for pattern in catalogue().values())
    return {name: value for name, value in found if value}
