"""Gate 1: the score of the side is high enough."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.config.sections import Percentage
from shared.contracts import Analysis, Floats, Verdict
from shared.gate import NO_DATA, Appearance, Flags, Gate, Limits, at_least


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse a score below the threshold."""
    return at_least(ENTRY.name, analysis.score, limits.score, refusal="score too low")


def figures(analysis: Analysis) -> Mapping[str, float]:
    """Return the score."""
    return {"score": analysis.score}


def may_pass(figures: Mapping[str, Floats], limits: Limits) -> Flags:
    """Return where the score is high enough."""
    return np.asarray(figures["score"] >= limits.score)


ENTRY = Gate(
    number=1,
    name="score",
    title="Score",
    sentence="The chart scores high enough on the signal's side.",
    value="the side's score",
    setting="score",
    kind=Percentage,
    default=65,
    reasons=("score too low", NO_DATA),
    judge=judge,
    figures=figures,
    may_pass=may_pass,
)
