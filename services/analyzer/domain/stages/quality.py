"""Sixth stage: does the futures market agree with the side?"""

from __future__ import annotations

from dataclasses import dataclass

from services.analyzer.domain.futures import fmqs
from services.analyzer.domain.stages.scores import Scores
from shared.contracts import Fmqs, Side


@dataclass(frozen=True, slots=True)
class Quality:
    """FMQS of the side, and its value for the other one."""

    scores: Scores
    fmqs: Fmqs
    other: float | None


def judge_quality(scores: Scores) -> Quality:
    """Return the futures market's quality score for both sides."""
    other: Side = "short" if scores.side == "long" else "long"
    return Quality(scores, _fmqs(scores, scores.side), _fmqs(scores, other).value)


def _fmqs(scores: Scores, side: Side) -> Fmqs:
    request = scores.votes.charts.request
    return fmqs.judge(
        scores.votes.futures,
        side,
        request.settings.fmqs_weights,
        funding_contradicts=request.settings.funding_contradicts,
        falls=request.settings.open_interest_falls,
        unavailable=request.snapshot.unavailable,
    )
