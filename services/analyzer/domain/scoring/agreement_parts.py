"""Agreement and strength: how much of what a score rests on agrees and is there, and how to show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.analyzer.domain.futures.figures import FuturesFigures
from services.analyzer.domain.numeric import clip
from shared.contracts import (
    DAY_MS,
    Fmqs,
    GroupVote,
    Interval,
    MarketInput,
    Sentiment,
    Side,
    TimeframeAnalysis,
    TradeLevels,
)

GREED, FEAR, CROWD_COST = 80, 20, 10.0
FRESH_S: Final = 900.0
SENTIMENT_FRESH_MS: Final = 2 * DAY_MS
WEAK_LIMIT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the agreement behind a side's score follows from."""

    side: Side
    timeframes: Mapping[Interval, TimeframeAnalysis]
    weights: Mapping[Interval, float]  #: of the judged intervals
    groups: Sequence[GroupVote]
    figures: FuturesFigures
    fmqs: Fmqs
    sentiment: Sentiment | None
    estimated: bool
    scan_id: int
    unavailable: Sequence[MarketInput] = ()  #: what the exchange does not publish: nothing is missing without it


def parts(found: Evidence) -> dict[str, float]:
    """Return the points that make up the agreement.

    Agreement of intervals (30) and groups (30), completeness (20) and freshness (20) of the data, less 10 where
    the side goes with a crowd at an extreme (Fear & Greed), less 10 where the derivatives are estimated.
    """
    result = {
        "timeframes": 30.0 * _interval_agreement(found.side, found.timeframes, found.weights),
        "groups": 30.0 * sum(group.agrees for group in found.groups) / len(found.groups),
        "completeness": _completeness(found.figures, found.unavailable),
        "freshness": 20.0 * _freshness(found.fmqs),
    }
    if found.sentiment is not None and _with_the_crowd(found.side, found.sentiment, found.scan_id):
        result["sentiment"] = -CROWD_COST
    if found.estimated:
        result["estimated"] = -CROWD_COST
    return result


def _completeness(figures: FuturesFigures, unavailable: Sequence[MarketInput]) -> float:
    """Return the points for how much is known of what the exchange publishes."""
    inputs: dict[MarketInput, object] = {
        "funding": figures.funding_8h,
        "open interest": figures.open_interest_change,
        "long/short ratio": figures.global_z,
        "order book": figures.imbalance,
        "taker flow": figures.taker_ratio,
    }
    known = [value is not None for name, value in inputs.items() if name not in unavailable]
    return 20.0 * sum(known) / len(known) if known else 0.0


def _freshness(fmqs: Fmqs) -> float:
    """Return how young what was fetched for FMQS is, 0 to 1; the taker flow is in the bars themselves."""
    fetched = [part for name, part in fmqs.components.items() if name != "taker"]
    ages = [part.age_seconds for part in fetched if part.score is not None and part.age_seconds is not None]
    return sum(clip(1.5 - age / FRESH_S, 0.0, 1.0) for age in ages) / len(ages) if ages else 0.0


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


def strength(score: float, fmqs: float | None, agreement: float, levels: TradeLevels | None) -> int:
    """Return 1 to 5 segments: one, and one more for each of score, FMQS, agreement and reward-to-risk that is high.

    They count just that: no more of them has been measured to be worth more.
    """
    ratio = levels.reward_to_risk if levels else 0.0
    segments = 1 + (score >= 72.0) + ((fmqs or 0.0) >= 60.0) + (agreement >= 70.0) + (ratio >= 2.0)
    return min(segments, WEAK_LIMIT) if levels is None or levels.weak else segments
