"""What /api/record shows; R is the distance from entry to stop, intervals are 95 % by whole days, null is unknown."""

from __future__ import annotations

from typing import Any

from services.api.schemas.base import Shown, model_of
from shared import contracts

Outcome: Any = model_of(contracts.Outcome)
Aftermath: Any = model_of(contracts.Aftermath)


class Estimate(Shown):
    """A mean, or a difference of two means, and how sure it is."""

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    """probability of as much by chance alone, two-sided"""
    design_effect: float | None
    """how many times wider the variance is than if all were independent"""


class Group(Shown):
    """Some outcomes and what they came to."""

    name: str
    n: int
    days: int
    hit_rate: float | None
    """share whose target came first"""
    break_even: float | None
    """the hit rate at which they would have cost nothing"""
    gross: Estimate
    net: Estimate
    q: float | None
    """share of false discoveries among cuts as good as this one; null: not a cut"""


class Lift(Shown):
    """What a gate is good for."""

    gate: str
    n: int
    """refused by it alone"""
    refused: Estimate
    """net R of those"""
    lift: Estimate
    """net R of the signals less that of what it alone refused"""


class ReliabilityBin(Shown):
    """A tenth of the outcomes, by rising forecast."""

    forecast: float
    happened: float
    n: int


class Calibration(Shown):
    """The version of the forecast that is in use, and how reliable it is."""

    version: str
    """plain, or logistic:DAY"""
    intercept: float
    slope: float
    n: int
    days: int
    plain_brier: float | None
    brier: float | None
    """of this version; out of sample where it is recalibrated"""
    gain: Estimate | None
    """plain Brier score less the recalibrated one, out of sample; null: too few outcomes to try"""
    reliability: list[ReliabilityBin]


class Record(Shown):
    """What signals came to."""

    verdict: str
    """*too few yet (n of N)*, *no edge shown*, *edge in the sample only* or *edge holds out of sample*"""
    all: Group
    controls: dict[str, Group]
    """other side, other coin, other moment: trades of the same distances, not chosen by any gate"""
    against_controls: Estimate
    """net R of the signals less that of all controls"""
    gates: dict[str, Lift]
    cuts: dict[str, list[Group]]
    """by side, regime, strength, weak, score, hour, symbol, settings version; none of fewer than 20 signals"""
    cuts_looked_at: int
    anomalies: list[Aftermath]
    """what followed anomalies after 1, 4 and 24 hours, against other moments of the same coins"""
    equity: list[tuple[int, float]]
    """when, UNIX ms, and the sum of net R up to then; a thousand points at most"""
    days: int
    as_of: int
    """when the newest outcome ended that is in it, UNIX ms"""
    calibration: Calibration


class FollowedSignal(Shown):
    """What became of one signal or near miss."""

    outcome: Outcome
    controls: list[Outcome]
    line: str
    """how setups like it had gone before it, with their number, or that there was no record yet"""
