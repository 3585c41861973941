"""Judge an analysis by every gate, and summarise the verdicts."""

from __future__ import annotations

from shared.contracts import Analysis, Verdict
from shared.gate import Appearance, Limits
from shared.gates import GATES


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> tuple[Verdict, ...]:
    """Return every gate's verdict, in the gates' order; an analysis with a problem passes none."""
    return tuple(gate.verdict(analysis, limits, earlier) for gate in GATES.values())


def appeared(verdicts: tuple[Verdict, ...]) -> bool:
    """Return whether every gate passed, apart from those that look back at earlier scans."""
    return bool(verdicts) and all(verdict.passed for verdict in verdicts if not GATES[verdict.gate].looks_back)


def passed(verdicts: tuple[Verdict, ...]) -> bool:
    """Return whether all gates passed."""
    return bool(verdicts) and all(verdict.passed for verdict in verdicts)
