"""Confidence and strength: how far to believe a score, and how to show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from services.analyzer.domain.futures import FuturesFigures
from services.analyzer.domain.numeric import clip
from shared.contracts import Fmqs, GroupVote, Interval, Sentiment, Side, TimeframeAnalysis, TradeLevels

GREED, FEAR, CROWD_COST = 80, 20, 10.0
FRESH_S: Final = 900.0
SENTIMENT_FRESH_MS: Final = 2 * 86_400_000
WEAK_LIMIT: Final = 2


def parts(
    side: Side,
    timeframes: Mapping[Interval, TimeframeAnalysis],
    weights: Mapping[Interval, float],
    groups: Sequence[GroupVote],
    figures: FuturesFigures,
    fmqs: Fmqs,
    sentiment: Sentiment | None,
    *,
    taker_known: bool,
    estimated: bool,
    scan_id: int,
) -> dict[str, float]:
    """Return the points that make up the confidence.

    Agreement of intervals (30) and groups (30), completeness (20) and freshness (20) of the data, less 10 where
    the side goes with a crowd at an extreme (Fear & Greed), less 10 where the derivatives are estimated.
    """
    known = [
        figures.funding_8h is not None,
        figures.open_interest_change is not None,
        figures.global_z is not None,
        figures.imbalance is not None,
        taker_known,
    ]
    fetched = [part for name, part in fmqs.components.items() if name != "taker"]  # which is in the bars themselves
    ages = [part.age_seconds for part in fetched if part.score is not None and part.age_seconds is not None]
    fresh = sum(clip(1.5 - age / FRESH_S, 0.0, 1.0) for age in ages) / len(ages) if ages else 0.0
    result = {
        "timeframes": 30.0 * _interval_agreement(side, timeframes, weights),
        "groups": 30.0 * sum(group.agrees for group in groups) / len(groups),
        "completeness": 20.0 * sum(known) / len(known),
        "freshness": 20.0 * fresh,
    }
    if sentiment is not None and _with_the_crowd(side, sentiment, scan_id):
        result["sentiment"] = -CROWD_COST
    if estimated:
        result["estimated"] = -CROWD_COST
    return result


def _interval_agreement(
    side: Side, timeframes: Mapping[Interval, TimeframeAnalysis], weights: Mapping[Interval, float]
) -> float:
    """Return how far the intervals' scores lean to *side*, 0 to 1."""
    sign = 1.0 if side == "long" else -1.0
    leans = {
        interval: sign * (timeframes[interval].long_score - timeframes[interval].short_score) for interval in weights
    }
    return sum(weights[interval] * clip(lean / 50.0, 0.0, 1.0) for interval, lean in leans.items()) / sum(
        weights.values()
    )


def _with_the_crowd(side: Side, sentiment: Sentiment, scan_id: int) -> bool:
    if scan_id - sentiment.at > SENTIMENT_FRESH_MS:
        return False
    return sentiment.value >= GREED if side == "long" else sentiment.value <= FEAR


def strength(score: float, fmqs: float | None, confidence: float, levels: TradeLevels | None) -> int:
    """Return 1 to 5 segments: one, and one more for each of score, FMQS, confidence and ratio that is high."""
    ratio = levels.reward_to_risk if levels else 0.0
    segments = 1 + (score >= 72.0) + ((fmqs or 0.0) >= 60.0) + (confidence >= 70.0) + (ratio >= 2.0)
    return min(segments, WEAK_LIMIT) if levels is None or levels.weak else segments
