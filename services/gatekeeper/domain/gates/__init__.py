"""The seven gates in their order: one file each, all judged for every symbol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.gatekeeper.domain.gates import fmqs, groups, persistence, score, squeeze, timeframes, volume
from services.gatekeeper.domain.gates.verdict import NOT_ANALYSED, Appearance, make
from shared.contracts import Analysis, Verdict
from shared.settings import Thresholds

Gate = Callable[[Analysis, Thresholds, Appearance | None], Verdict]
GATES: Final[dict[str, Gate]] = {
    module.NAME: module.judge for module in (score, fmqs, squeeze, volume, groups, timeframes, persistence)
}


def judge(analysis: Analysis, limits: Thresholds, earlier: Appearance | None) -> tuple[Verdict, ...]:
    """Return every gate's verdict; an analysis with a problem passes none."""
    if analysis.problem:
        return tuple(make(name, None, 0.0, None, NOT_ANALYSED) for name in GATES)
    return tuple(gate(analysis, limits, earlier) for gate in GATES.values())


def appeared(verdicts: tuple[Verdict, ...]) -> bool:
    """Return whether gates 1–6 passed."""
    return bool(verdicts) and all(verdict.passed for verdict in verdicts if verdict.gate != persistence.NAME)
