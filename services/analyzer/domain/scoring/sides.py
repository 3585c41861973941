"""The long and the short score, of one interval and across the judged ones; the stored record gives them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from shared.contracts import Interval, TimeframeAnalysis

JUDGED: Final[tuple[Literal["15m", "1h", "4h"], ...]] = ("15m", "1h", "4h")  #: intervals that make the score


def side_scores(votes: Mapping[str, float], weights: Mapping[str, float]) -> tuple[float, float]:
    """Return the long and the short score: 100 × Σ weight × the votes for that side."""
    counted = [weights[name] * vote for name, vote in votes.items()]
    return 100.0 * sum([part for part in counted if part > 0]), -100.0 * sum([part for part in counted if part < 0])


def across(timeframes: Mapping[Interval, TimeframeAnalysis], weights: Mapping[Interval, float]) -> tuple[float, float]:
    """Return the long and the short score over the judged intervals, patterns left out."""
    total = sum(weights.values())
    return (
        sum(weight * timeframes[name].long_score for name, weight in weights.items()) / total,
        sum(weight * timeframes[name].short_score for name, weight in weights.items()) / total,
    )
