"""Gate 5: independent groups of indicators agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from shared.contracts import Analysis, Floats, Verdict
from shared.gate import Appearance, Flags, Gate, Limits, at_least


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse when fewer groups than asked agree with the side."""
    count = float(sum(group.agrees for group in analysis.groups))
    return at_least(ENTRY.name, count, float(limits.groups), refusal="too few groups")


def figures(analysis: Analysis) -> Mapping[str, float]:
    """Return how many groups agree."""
    return {"groups": float(sum(group.agrees for group in analysis.groups))}


def may_pass(figures: Mapping[str, Floats], limits: Limits) -> Flags:
    """Return where enough groups agree."""
    return np.asarray(figures["groups"] >= limits.groups)


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
    figures=figures,
    may_pass=may_pass,
)
