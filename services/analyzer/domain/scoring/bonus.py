"""What candlestick patterns and divergences add to a side's score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.contracts import BonusPart, Interval, Side, TimeframeAnalysis

BONUS_POINTS: Final = 6.0  #: of one pattern on an interval of weight 1
BONUS_LIMIT: Final = 10.0
DIVERGENCE: Final = "rsi_divergence"


def bonus_parts(
    timeframes: Mapping[Interval, TimeframeAnalysis], weights: Mapping[Interval, float]
) -> tuple[BonusPart, ...]:
    """Return what patterns and divergences add, before the limit of 10 points a side."""
    return tuple(
        BonusPart(name=name, interval=timeframe.interval, points=value * BONUS_POINTS * weights[interval])
        for interval, timeframe in timeframes.items()
        if interval in weights
        for name, value in timeframe.patterns.items()
    )


def bonus_points(parts: Sequence[BonusPart], side: Side) -> float:
    """Return the points that *side* gets: its parts, at most 10."""
    sign = 1.0 if side == "long" else -1.0
    return min(BONUS_LIMIT, sum(part.points * sign for part in parts if part.points * sign > 0))
