"""Eighth stage: how much agrees with the score, and how strong a signal it would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.analyzer.domain.scoring.agreement_parts import Evidence, parts, strength
from services.analyzer.domain.stages.trade import PlannedTrade


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement, 0 to 100, its parts, and the strength, 1 to 5."""

    trade: PlannedTrade
    parts: Mapping[str, float]
    value: float
    strength: int


def measure_agreement(trade: PlannedTrade) -> Agreement:
    """Return how far what the side's score rests on agrees and is whole and fresh."""
    quality, scores = trade.quality, trade.quality.scores
    snapshot = scores.votes.charts.request.snapshot
    found = parts(
        Evidence(
            side=scores.side,
            timeframes=scores.timeframes,
            weights=scores.weights,
            groups=scores.groups,
            figures=scores.votes.futures,
            fmqs=quality.fmqs,
            sentiment=snapshot.sentiment,
            estimated=bool(snapshot.estimated) or snapshot.derivatives.estimated,
            unavailable=snapshot.unavailable,
            scan_id=snapshot.scan_id,
        )
    )
    value = min(100.0, max(0.0, sum(found.values())))
    return Agreement(trade, found, value, strength(scores.score, quality.fmqs.value, value, trade.levels))
