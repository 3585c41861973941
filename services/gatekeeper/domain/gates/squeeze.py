"""Gate 3: the market has left its squeeze."""

from __future__ import annotations

from services.gatekeeper.domain.gates.verdict import Appearance, make
from shared.contracts import Analysis, Verdict
from shared.settings import Thresholds

NAME = "squeeze"


def judge(analysis: Analysis, limits: Thresholds, earlier: Appearance | None) -> Verdict:
    """Refuse while any of the named intervals is in a squeeze; the value counts those that are."""
    squeezed = {part.interval: part.squeeze for part in analysis.timeframes}
    if any(interval not in squeezed for interval in limits.squeeze_intervals):
        return make(NAME, None, 0.0, None, "no timeframe data")
    count = float(sum(squeezed[interval] for interval in limits.squeeze_intervals))
    return make(NAME, count, 0.0, 0.0 - count, "in a squeeze")
