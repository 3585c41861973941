"""The gates in their order: one file each, found here and listed nowhere.

A gate's file is under `shared` because settings, API, cards and documents read its declaration, and no service may
import another (docs/adr/0013).  The judgement in it is pure; only the gatekeeper, and a backtest, call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.contracts import Verdict
from shared.gate import Gate, figure
from shared.registry import discover

GATES: Final[Mapping[str, Gate]] = discover("shared.gates", Gate, number=lambda gate: gate.number)


def title(name: str) -> str:
    """Return the title of the gate *name*; the name itself for a removed gate of an older record."""
    return GATES[name].title if name in GATES else name


def shown(verdict: Verdict) -> tuple[str, str]:
    """Return readable value and threshold; the threshold is empty where words stand for both."""
    gate = GATES.get(verdict.gate)
    return gate.shown(verdict) if gate else (figure(verdict.value), figure(verdict.threshold))
