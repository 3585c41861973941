"""Gate 3: the market has left its squeeze."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from shared.contracts import Analysis, Floats, Verdict
from shared.gate import Appearance, Flags, Gate, Limits, make

NAMED = ("15m", "1h", "4h")


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse while any of the named intervals is in a squeeze; the value counts those that are."""
    squeezed = {part.interval: part.squeeze for part in analysis.timeframes}
    if any(interval not in squeezed for interval in limits.squeeze_intervals):
        return make(ENTRY.name, None, 0.0, None, "no timeframe data")
    count = float(sum(squeezed[interval] for interval in limits.squeeze_intervals))
    return make(ENTRY.name, count, 0.0, 0.0 - count, "in a squeeze")


def figures(analysis: Analysis) -> Mapping[str, float]:
    """Return for each interval that can be named whether it is squeezed, 1 or 0."""
    squeezed: dict[str, float] = {part.interval: float(part.squeeze) for part in analysis.timeframes}
    return {f"squeezed {interval}": squeezed.get(interval, math.nan) for interval in NAMED}


def may_pass(figures: Mapping[str, Floats], limits: Limits) -> Flags:
    """Return where none of the named intervals is squeezed."""
    found = np.ones_like(figures["squeezed 1h"], dtype=np.bool_)
    for interval in limits.squeeze_intervals:
        found &= figures[f"squeezed {interval}"] == 0
    return found


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
    figures=figures,
    may_pass=may_pass,
)
