"""Gate 3: the market has left its squeeze."""

from __future__ import annotations

from typing import Literal

from shared.contracts import Analysis, Verdict
from shared.gate import Appearance, Gate, Limits, make


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse while any of the named intervals is in a squeeze; the value counts those that are."""
    squeezed = {part.interval: part.squeeze for part in analysis.timeframes}
    if any(interval not in squeezed for interval in limits.squeeze_intervals):
        return make(ENTRY.name, None, 0.0, None, "no timeframe data")
    count = float(sum(squeezed[interval] for interval in limits.squeeze_intervals))
    return make(ENTRY.name, count, 0.0, 0.0 - count, "in a squeeze")


ENTRY = Gate(
    number=3,
    name="squeeze",
    title="No squeeze",
    sentence="None of the named intervals is in a Bollinger/Keltner squeeze.",
    value="how many of the named intervals are squeezed",
    setting="squeeze_intervals",
    kind=tuple[Literal["15m", "1h", "4h"], ...],
    default=("15m", "1h"),
    words=("free", "squeezed"),
    reasons=("in a squeeze", "no timeframe data"),
    judge=judge,
)
