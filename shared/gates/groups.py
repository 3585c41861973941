"""Gate 5: independent groups of indicators agree."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.contracts import Analysis, Verdict
from shared.gate import Appearance, Gate, Limits, at_least


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse when fewer groups than asked agree with the side."""
    count = float(sum(group.agrees for group in analysis.groups))
    return at_least(ENTRY.name, count, float(limits.groups), refusal="too few groups")


ENTRY = Gate(
    number=5,
    name="groups",
    title="Groups",
    sentence="Enough of the six independent indicator groups agree with the signal's side.",
    value="groups that agree, of six",
    setting="groups",
    kind=Annotated[int, Field(ge=0, le=6)],
    default=5,
    unit="groups",
    reasons=("too few groups",),
    judge=judge,
)
