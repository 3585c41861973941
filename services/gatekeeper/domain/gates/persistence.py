"""Gate 7: the setup was there five minutes ago as well."""

from __future__ import annotations

from services.gatekeeper.domain.gates.verdict import Appearance, at_least
from shared.contracts import SCAN_MS, Analysis, Verdict
from shared.settings import Thresholds

NAME = "persistence"


def judge(analysis: Analysis, limits: Thresholds, earlier: Appearance | None) -> Verdict:
    """Refuse unless gates 1–6 passed, same side, in each of the scans exactly 5, 10 … min before.

    The value counts those scans.
    """
    refusal = "first appearance"
    count = 0
    if earlier is not None and earlier.scan_id == analysis.scan_id - SCAN_MS:
        same = earlier.side == analysis.side
        count, refusal = (earlier.length, "too few appearances") if same else (0, "other side before")
    return at_least(NAME, float(count), float(limits.persistence), refusal=refusal)
