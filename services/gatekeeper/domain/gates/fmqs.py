"""Gate 2: the futures market does not contradict the chart."""

from __future__ import annotations

from services.gatekeeper.domain.gates.verdict import Appearance, at_least
from shared.contracts import Analysis, Verdict
from shared.settings import Thresholds

NAME = "fmqs"


def judge(analysis: Analysis, limits: Thresholds, earlier: Appearance | None) -> Verdict:
    """Refuse while the futures market contradicts the chart."""
    value = analysis.fmqs.value if analysis.fmqs else None
    capped = analysis.fmqs.capped_by if analysis.fmqs else ""
    return at_least(NAME, value, limits.fmqs, refusal=capped or "fmqs too low", missing="no derivatives data")
