"""Fifth stage: each interval's two scores, the side that follows, and which groups agree with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.analyzer.domain.chart.regime import RegimeFigures
from services.analyzer.domain.indicator import derived_values
from services.analyzer.domain.scoring.bonus import bonus_parts, bonus_points
from services.analyzer.domain.scoring.groups import group_votes
from services.analyzer.domain.scoring.sides import JUDGED, across, side_scores
from services.analyzer.domain.stages.votes import IntervalVotes, Votes
from shared.contracts import BonusPart, GroupVote, Interval, Side, TimeframeAnalysis


@dataclass(frozen=True, slots=True)
class Scores:
    """The side and its score, with all that they were made of."""

    votes: Votes
    timeframes: Mapping[Interval, TimeframeAnalysis]
    weights: Mapping[Interval, float]  #: of the judged intervals
    side: Side
    long: float  #: before patterns
    short: float
    bonus: tuple[BonusPart, ...]
    score: float  #: of the side, patterns included
    groups: tuple[GroupVote, ...]


def score_sides(votes: Votes) -> Scores:
    """Return the scores of both sides over the judged intervals; the higher one is the analysis's side."""
    charts = votes.charts
    settings = charts.request.settings
    timeframes = {
        interval: _timeframe(interval, found, charts.by_interval[interval].regime)
        for interval, found in votes.by_interval.items()
    }
    weights: dict[Interval, float] = {name: settings.timeframe_weights[name] for name in JUDGED}
    long, short = across(timeframes, weights)
    side: Side = "long" if long >= short else "short"
    bonus = bonus_parts(timeframes, weights)
    return Scores(
        votes=votes,
        timeframes=timeframes,
        weights=weights,
        side=side,
        long=long,
        short=short,
        bonus=bonus,
        score=min(100.0, max(long, short) + bonus_points(bonus, side)),
        groups=group_votes(timeframes, weights, side, settings.group_agreement),
    )


def _timeframe(interval: Interval, found: IntervalVotes, regime: RegimeFigures) -> TimeframeAnalysis:
    long, short = side_scores(found.votes, found.weights)
    values = {name: None if math.isnan(value) else value for name, value in found.newest.items()}
    values |= derived_values(values)
    values |= {"wick_share": regime.wick_share, "wick_limit": regime.wick_limit}
    return TimeframeAnalysis(
        interval=interval,
        regime=regime.regime,
        values=values,
        votes=found.votes,
        weights=found.weights,
        long_score=long,
        short_score=short,
        patterns=found.patterns,
        squeeze=values["squeeze_on"] == 1.0,
    )
