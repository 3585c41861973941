"""A gate: its declaration, which all services read, and its judgement, which only the gatekeeper calls.

Each gate is one file of `shared/gates`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from shared.contracts import SCAN_MS, Analysis, Fact, Floats, Side, Verdict

PASSED: Final = "passed"
NOT_ANALYSED: Final = "not analysed"
NO_DATA: Final = "no data"
COMMON_REASONS: Final = (PASSED, NOT_ANALYSED)  #: reasons that every gate may give
STREAK: Final = "streak"  #: a figure that the caller of `MayPass` adds: the most scans in a row before that may count


class Limits(Protocol):
    """The thresholds of one symbol, by the names of the gates' settings."""

    def __getattr__(self, name: str) -> Any: ...


class Appearance(Fact, frozen=True):
    """A symbol's streak of appearances on one side: scans in which it passed every gate that does not look back."""

    side: Side
    scan_id: int  #: the newest scan of the streak
    length: int  #: scans in the streak, each exactly five minutes after the one before

    @classmethod
    def after(cls, earlier: Appearance | None, side: Side, scan_id: int) -> Appearance:
        """Return the streak of a symbol that appears at *scan_id*; *earlier* is the one it had until then."""
        goes_on = earlier is not None and earlier.side == side and earlier.scan_id == scan_id - SCAN_MS
        return cls(side=side, scan_id=scan_id, length=earlier.length + 1 if earlier is not None and goes_on else 1)


Judge = Callable[[Analysis, Limits, Appearance | None], Verdict]
Flags = npt.NDArray[np.bool_]
Figures = Callable[[Analysis], Mapping[str, float]]  #: by name, NaN where one is not known
MayPass = Callable[[Mapping[str, Floats], Limits], Flags]  #: of many analyses, their figures as arrays of one length


def no_figures(analysis: Analysis) -> Mapping[str, float]:
    """Return nothing: for a gate that is not asked about many analyses at once."""
    return {}


class UndeclaredReasonError(Exception):
    """A gate gave a reason that its declaration does not list."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One gate: everything that settings, records, pages, cards and documents show of it, and its judgement."""

    number: int  #: its place among the gates, from 1
    name: str  #: in records and the API
    title: str  #: on cards and pages
    sentence: str  #: what it asks, for users
    value: str  #: what its value is
    setting: str  #: the name of its threshold in the settings, under ``thresholds``
    kind: Any  #: the setting's type, with its bounds, as pydantic reads it
    default: Any  #: the setting as shipped
    unit: str = ""  #: of value and threshold: "%", "×", "scans"; empty: a plain number
    words: tuple[str, str] | None = None  #: what a card says instead of figures: passed, refused
    reads: tuple[str, ...] = ()  #: thresholds of other gates that its value depends on
    looks_back: bool = False  #: it asks about earlier scans, so it is no part of what an appearance is
    reasons: tuple[str, ...]  #: the reasons of a refusal, besides "not analysed"
    judge: Judge
    figures: Figures = no_figures  #: what `may_pass` reads of an analysis; names are shared by all gates
    may_pass: MayPass | None = None  #: a necessary condition: false only where `judge` refuses; None: always true

    def verdict(self, analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
        """Return the verdict on *analysis*; one with a problem does not pass.

        Raises `UndeclaredReasonError` for a reason that is not declared: reasons are labels, counted and filtered by.
        """
        if analysis.problem:
            return make(self.name, None, 0.0, None, NOT_ANALYSED)
        found = self.judge(analysis, limits, earlier)
        if found.reason not in (*COMMON_REASONS, *self.reasons):
            raise UndeclaredReasonError(f"gate {self.name} does not declare the reason {found.reason!r}")
        return found

    def shown(self, verdict: Verdict) -> tuple[str, str]:
        """Return readable value and threshold; the threshold is empty where words stand for both."""
        if self.words is not None:
            return self.words[0 if verdict.passed else 1], ""
        return figure(verdict.value), figure(verdict.threshold)


def figure(value: float | None) -> str:
    """Return *value* with at most two decimals, large ones with none."""
    if value is None:
        return "–"
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 20 else f"{value:.2f}"


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


def at_least(gate: str, value: float | None, threshold: float, *, refusal: str, missing: str = NO_DATA) -> Verdict:
    """Return the verdict on a value that has to reach *threshold*; NaN and None never do."""
    if value is None or not math.isfinite(value):
        return make(gate, None, threshold, None, missing)
    return make(gate, value, threshold, value - threshold, refusal)
