"""Gate 2: the futures market does not contradict the chart."""

from __future__ import annotations

from shared.config.sections import Percentage
from shared.contracts import Analysis, Verdict
from shared.gate import Appearance, Gate, Limits, at_least

TOO_LOW = "fmqs too low"
MISSING = "no derivatives data"
CAPPED = ("funding contradicts", "open interest falls")  #: what the analyzer caps FMQS for


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse while the futures market contradicts the chart."""
    value = analysis.fmqs.value if analysis.fmqs else None
    capped = analysis.fmqs.capped_by if analysis.fmqs else ""
    return at_least(ENTRY.name, value, limits.fmqs, refusal=capped if capped in CAPPED else TOO_LOW, missing=MISSING)


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
)
