"""Gate 1: the score of the side is high enough."""

from __future__ import annotations

from shared.config.sections import Percentage
from shared.contracts import Analysis, Verdict
from shared.gate import NO_DATA, Appearance, Gate, Limits, at_least


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse a score below the threshold."""
    return at_least(ENTRY.name, analysis.score, limits.score, refusal="score too low")


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
)
