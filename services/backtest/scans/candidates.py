"""Which analyses can matter at all: the gates are asked about all of a coin's at once, by their necessary conditions.

What is left out here is refused by more than one gate, with any history: no signal, streak or near miss can come of it.
The others the gates judge one by one, so that a condition that lets too much through costs time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from services.backtest.kept import GateTable, Scans
from shared.contracts import SCAN_MS, Floats
from shared.gate import STREAK, Flags, Gate, Limits
from shared.gates import GATES


def candidates(table: GateTable, limits: Limits) -> Scans:
    """Return the scans of *table* that at most one gate may refuse, and those that may be part of a streak."""
    shape = table.scans.shape
    refused = np.zeros(shape, dtype=np.int64)
    for gate in GATES.values():
        if not gate.looks_back:
            refused += ~_may_pass(gate, table.figures, limits, shape)
    appears = refused == 0
    figures = {**table.figures, STREAK: _streaks(table.scans, appears)}
    for gate in GATES.values():
        if gate.looks_back:
            refused += ~_may_pass(gate, figures, limits, shape)
    return np.asarray(table.scans[appears | (refused <= 1)])


def _may_pass(gate: Gate, figures: Mapping[str, Floats], limits: Limits, shape: tuple[int, ...]) -> Flags:
    if gate.may_pass is None or not figures:
        return np.ones(shape, dtype=np.bool_)
    return gate.may_pass(figures, limits)


def _streaks(scans: Scans, appears: Flags) -> Floats:
    """Return at each scan how many in a row, each five minutes after the one before, may have appeared before it."""
    follows = np.diff(scans, prepend=scans[:1]) == SCAN_MS
    before = np.concatenate((np.zeros(1, np.bool_), appears[:-1]))[: len(scans)] & follows
    number: npt.NDArray[np.int64] = np.arange(len(scans))
    broken = np.maximum.accumulate(np.where(before, -1, number))
    return (number - broken).astype(np.float64)
