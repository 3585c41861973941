"""From votes to weights, groups and scores; everything can be computed again from the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, get_args

from services.analyzer.domain.indicator import Group, catalogue
from services.analyzer.domain.numeric import clip
from services.analyzer.domain.opinions import OPINIONS
from shared.contracts import BonusPart, GroupVote, Interval, Regime, Side, TimeframeAnalysis

GROUPS: Final[tuple[Group, ...]] = get_args(Group)
JUDGED: Final[tuple[Literal["15m", "1h", "4h"], ...]] = ("15m", "1h", "4h")  #: intervals that make the score

#: How much each group weighs in each regime.
GROUP_WEIGHTS: Final[dict[Regime, dict[Group, float]]] = {
    "TRENDING": {
        "trend": 0.54,
        "momentum": 0.26,
        "volume": 0.07,
        "derivatives": 0.04,
        "price action": 0.05,
        "structure": 0.04,
    },
    "RANGING": {
        "trend": 0.06,
        "momentum": 0.62,
        "volume": 0.09,
        "derivatives": 0.05,
        "price action": 0.05,
        "structure": 0.13,
    },
    "VOLATILE": {
        "trend": 0.30,
        "momentum": 0.24,
        "volume": 0.28,
        "derivatives": 0.05,
        "price action": 0.08,
        "structure": 0.05,
    },
}
#: How loudly votes count in each regime, before they are held within ±1.
LOUDNESS: Final[dict[Regime, float]] = {"TRENDING": 1.2, "RANGING": 1.4, "VOLATILE": 1.06}
VOLATILE_VOLUME: Final = 1.25  #: loudness of the volume group where everything else counts for less
#: The most that one vote counts: with the loudness this spreads the score (docs/scoring.md shows what comes of it).
CEILING: Final[dict[Regime, float]] = {"TRENDING": 0.88, "RANGING": 0.94, "VOLATILE": 0.88}
BONUS_POINTS: Final = 6.0  #: of one pattern on an interval of weight 1
BONUS_LIMIT: Final = 10.0
DIVERGENCE: Final = "rsi_divergence"
AGREEING_INTERVALS: Final = 2


@lru_cache(maxsize=1)
def voters() -> Mapping[str, tuple[Group, float]]:
    """Return the group and the weight within it of everything that can vote."""
    indicators = {
        entry.name: (entry.group, entry.weight) for entry in catalogue().values() if entry.group and entry.vote
    }
    return {**indicators, **OPINIONS}


def loud(votes: Mapping[str, float], regime: Regime) -> dict[str, float]:
    """Return *votes* as they count in *regime*."""
    ceiling, usual, louder = CEILING[regime], LOUDNESS[regime], _louder(regime)
    return {name: ceiling * clip(vote * louder.get(name, usual)) for name, vote in votes.items()}


def loudness(name: str, regime: Regime) -> float:
    """Return how loudly the vote *name* counts in *regime*."""
    return _louder(regime).get(name, LOUDNESS[regime])


def _louder(regime: Regime) -> dict[str, float]:
    """Return the votes that count louder in *regime* than the others."""
    return dict.fromkeys(_volume_votes(), VOLATILE_VOLUME) if regime == "VOLATILE" else {}


@lru_cache(maxsize=1)
def _volume_votes() -> tuple[str, ...]:
    return tuple(name for name, (group, _) in voters().items() if group == "volume")


@lru_cache(maxsize=256)
def _weights(names: tuple[str, ...], regime: Regime) -> dict[str, float]:
    shares: dict[Group, float] = {}
    for name in names:
        group, weight = voters()[name]
        shares[group] = shares.get(group, 0.0) + weight
    total = sum(GROUP_WEIGHTS[regime][group] for group in shares)
    return {
        name: GROUP_WEIGHTS[regime][group] / total * weight / shares[group]
        for name in names
        for group, weight in [voters()[name]]
    }


def weigh(votes: Iterable[str], regime: Regime) -> dict[str, float]:
    """Return each vote's weight: its group's in *regime*, shared within the group; they sum to 1.

    A group without any vote leaves its weight to the others.
    """
    return _weights(tuple(votes), regime)


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


def bonus(timeframes: Mapping[Interval, TimeframeAnalysis], weights: Mapping[Interval, float]) -> tuple[BonusPart, ...]:
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
