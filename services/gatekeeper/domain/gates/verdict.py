"""What every gate answers with, and what gate 7 remembers."""

from __future__ import annotations

import math

from shared.contracts import Fact, Side, Verdict

PASSED = "passed"
NOT_ANALYSED = "not analysed"


class Appearance(Fact, frozen=True):
    """The row of scans in which a symbol passed gates 1–6 on one side."""

    side: Side
    scan_id: int  #: the newest scan of the row
    length: int  #: scans in the row, each exactly five minutes after the one before


def make(gate: str, value: float | None, threshold: float, distance: float | None, refusal: str) -> Verdict:
    """Return the verdict: passed when *distance* is known and not negative."""
    passed = distance is not None and distance >= 0
    return Verdict(
        gate=gate,
        passed=passed,
        value=value,
        threshold=threshold,
        distance=distance,
        reason=PASSED if passed else refusal,
    )


def at_least(gate: str, value: float | None, threshold: float, *, refusal: str, missing: str = "no data") -> Verdict:
    """Return the verdict on a value that has to reach *threshold*; NaN and None never do."""
    if value is None or not math.isfinite(value):
        return make(gate, None, threshold, None, missing)
    return make(gate, value, threshold, value - threshold, refusal)
