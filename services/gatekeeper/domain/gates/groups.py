"""Gate 5: independent groups of indicators agree."""

from __future__ import annotations

from services.gatekeeper.domain.gates.verdict import Appearance, at_least
from shared.contracts import Analysis, Verdict
from shared.settings import Thresholds

NAME = "groups"


def judge(analysis: Analysis, limits: Thresholds, earlier: Appearance | None) -> Verdict:
    """Refuse when fewer groups than asked agree with the side."""
    count = float(sum(group.agrees for group in analysis.groups))
    return at_least(NAME, count, float(limits.groups), refusal="too few groups")
