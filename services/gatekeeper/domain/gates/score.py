"""Gate 1: the chart speaks clearly enough."""

from __future__ import annotations

from services.gatekeeper.domain.gates.verdict import Appearance, at_least
from shared.contracts import Analysis, Verdict
from shared.settings import Thresholds

NAME = "score"


def judge(analysis: Analysis, limits: Thresholds, earlier: Appearance | None) -> Verdict:
    """Refuse a score below the threshold."""
    return at_least(NAME, analysis.score, limits.score, refusal="score too low")
