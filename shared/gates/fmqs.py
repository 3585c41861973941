"""Gate 2: the futures market does not contradict the chart."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from shared.config.sections import Percentage
from shared.contracts import Analysis, Floats, Verdict
from shared.gate import Appearance, Flags, Gate, Limits, at_least

TOO_LOW = "fmqs too low"
MISSING = "no derivatives data"
CAPPED = ("funding contradicts", "open interest falls")  #: what the analyzer caps FMQS for


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse while the futures market contradicts the chart."""
    value = analysis.fmqs.value if analysis.fmqs else None
    capped = analysis.fmqs.capped_by if analysis.fmqs else ""
    return at_least(ENTRY.name, value, limits.fmqs, refusal=capped if capped in CAPPED else TOO_LOW, missing=MISSING)


def figures(analysis: Analysis) -> Mapping[str, float]:
    """Return the FMQS of the side."""
    value = analysis.fmqs.value if analysis.fmqs else None
    return {"fmqs": math.nan if value is None else value}


def may_pass(figures: Mapping[str, Floats], limits: Limits) -> Flags:
    """Return where the FMQS is high enough."""
    return np.asarray(figures["fmqs"] >= limits.fmqs)


ENTRY = Gate(
    number=2,
    name="fmqs",
    title="FMQS",
    sentence="Funding, open interest, positioning and taker flow support the signal's side.",
    value="FMQS of the side",
    setting="fmqs",
    kind=Percentage,
    default=50,
    reasons=(TOO_LOW, *CAPPED, MISSING),
    judge=judge,
    figures=figures,
    may_pass=may_pass,
)
