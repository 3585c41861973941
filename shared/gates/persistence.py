"""Gate 7: the setup also passed in the scans before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from shared.contracts import SCAN_MS, Analysis, Floats, Verdict
from shared.gate import STREAK, Appearance, Flags, Gate, Limits, at_least


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse unless the symbol appeared, same side, in each of the scans exactly 5, 10 … min before.

    The value counts those scans.
    """
    refusal = "first appearance"
    count = 0
    if earlier is not None and earlier.scan_id == analysis.scan_id - SCAN_MS:
        same = earlier.side == analysis.side
        count, refusal = (earlier.length, "too few appearances") if same else (0, "other side before")
    return at_least(ENTRY.name, float(count), float(limits.persistence), refusal=refusal)


def may_pass(figures: Mapping[str, Floats], limits: Limits) -> Flags:
    """Return where the streak may be long enough."""
    return np.asarray(figures[STREAK] >= limits.persistence)


ENTRY = Gate(
    number=7,
    name="persistence",
    title="Persistence",
    sentence="The same setup passed the other gates in the scans just before.",
    value="scans in a row before this one",
    setting="persistence",
    kind=Annotated[int, Field(ge=0, le=12)],  # earlier scans in a row
    default=1,
    unit="scans",
    looks_back=True,
    reasons=("first appearance", "other side before", "too few appearances"),
    judge=judge,
    may_pass=may_pass,
)
