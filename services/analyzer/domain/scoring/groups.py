"""What each independent group of votes says across the intervals, and whether it agrees with the side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.analyzer.domain.indicator import Group
from services.analyzer.domain.scoring.weights import GROUPS, voters
from shared.contracts import GroupVote, Interval, Side, TimeframeAnalysis

AGREEING_INTERVALS: Final = 2


def group_votes(
    timeframes: Mapping[Interval, TimeframeAnalysis], weights: Mapping[Interval, float], side: Side, agreement: float
) -> tuple[GroupVote, ...]:
    """Return each group's votes; it agrees with *side* where two of three intervals say so, by *agreement*."""
    sign = 1.0 if side == "long" else -1.0
    by_interval = {name: _votes_by_group(frame) for name, frame in timeframes.items() if name in weights}
    result = []
    for group in GROUPS:
        votes = {name: found[group] for name, found in by_interval.items() if group in found}
        total = sum([weights[interval] for interval in votes])
        mean = sum([weights[interval] * vote for interval, vote in votes.items()]) / total if total > 0 else 0.0
        agreeing = sum([vote * sign >= agreement for vote in votes.values()])
        result.append(
            GroupVote(
                name=group,
                votes={str(interval): vote for interval, vote in votes.items()},
                vote=mean,
                agrees=agreeing >= AGREEING_INTERVALS,
            )
        )
    return tuple(result)


def _votes_by_group(timeframe: TimeframeAnalysis) -> dict[Group, float]:
    """Return the weighted mean of each group's votes on one interval; a group without any is left out."""
    groups, weights = voters(), timeframe.weights
    sums, totals = dict.fromkeys(GROUPS, 0.0), dict.fromkeys(GROUPS, 0.0)
    for name, vote in timeframe.votes.items():
        group, weight = groups[name][0], weights[name]
        sums[group] += weight * vote
        totals[group] += weight
    return {group: sums[group] / total for group, total in totals.items() if total > 0}
