"""Gate 6: several timeframes reach the score by themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from shared.contracts import Analysis, Floats, TimeframeAnalysis, Verdict
from shared.gate import Appearance, Flags, Gate, Limits, at_least

JUDGED = ("15m", "1h", "4h")


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse when fewer of 15m, 1h and 4h than asked reach gate 1's threshold for the side."""
    scores = [_score(part, analysis.side) for part in analysis.timeframes if part.interval in JUDGED]
    count = float(sum(score >= limits.score for score in scores))
    return at_least(ENTRY.name, count, float(limits.timeframes), refusal="too few timeframes")


def _score(part: TimeframeAnalysis, side: str) -> float:
    return part.long_score if side == "long" else part.short_score


def figures(analysis: Analysis) -> Mapping[str, float]:
    """Return each judged interval's score for the side."""
    scores: dict[str, float] = {part.interval: _score(part, analysis.side) for part in analysis.timeframes}
    return {f"score {interval}": scores.get(interval, math.nan) for interval in JUDGED}


def may_pass(figures: Mapping[str, Floats], limits: Limits) -> Flags:
    """Return where enough intervals reach the score."""
    reached = [figures[f"score {interval}"] >= limits.score for interval in JUDGED]
    return np.asarray(np.sum(reached, axis=0) >= limits.timeframes)


ENTRY = Gate(
    number=6,
    name="timeframes",
    title="Timeframes",
    sentence="Enough of 15m, 1h and 4h reach the score threshold on their own.",
    value="of 15m, 1h, 4h with a score of their own ≥ gate 1's threshold",
    setting="timeframes",
    kind=Annotated[int, Field(ge=0, le=3)],
    default=2,
    unit="timeframes",
    reads=("score",),
    reasons=("too few timeframes",),
    judge=judge,
    figures=figures,
    may_pass=may_pass,
)
