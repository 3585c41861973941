"""The record: results of signals beside the break-even rate, the controls, and the setups that each gate refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from services.evaluator.domain.aftermath import aftermaths
from services.evaluator.domain.costs import break_even
from services.evaluator.domain.statistics import (
    Days,
    Estimate,
    day_of,
    difference_by_days,
    discoveries,
    mean_by_days,
)
from shared.contracts import Aftermath, Comparable, Floats, Outcome, RecordChanged, Side
from shared.odds import SIMILAR_AT_LEAST, band_of, comparable_to, line_of, reward_of

GATES: Final = ("score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence")
CONTROLS: Final = ("other side", "other coin", "other moment")
ENOUGH: Final = 200  #: signals that a verdict needs
ENOUGH_DAYS: Final = 30
CUT_AT_LEAST: Final = 20  #: signals that a cut needs
SAMPLE_SHARE: Final = 2 / 3  #: of the days; the last third is out of sample
EQUITY_POINTS: Final = 1_000
UNKNOWN: Final = Estimate(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Group:
    """The results of a group of outcomes."""

    name: str
    n: int
    days: int
    hit_rate: float  #: share whose target came first
    break_even: float  #: the hit rate at which they break even
    gross: Estimate  #: R
    net: Estimate  #: R
    q: float = math.nan  #: share of false discoveries among cuts as good as this one


@dataclass(frozen=True)
class Lift:
    """The lift of a gate: net R of the signals less that of the setups which it alone refused."""

    gate: str
    n: int  #: refused by it alone
    refused: Estimate
    lift: Estimate


@dataclass(frozen=True)
class Record:
    """The whole record, with its verdict as a sentence."""

    verdict: str
    all: Group
    controls: dict[str, Group]
    against_controls: Estimate  #: net R of signals less that of all controls
    gates: dict[str, Lift]
    cuts: dict[str, list[Group]] = field(default_factory=dict)
    cuts_looked_at: int = 0
    anomalies: tuple[Aftermath, ...] = ()  #: what followed them
    equity: list[tuple[int, float]] = field(default_factory=list)  #: (ended_at, sum of net R up to it)


def record(outcomes: Sequence[Outcome], *, cuts: bool = True) -> Record:
    """Return the record of *outcomes*, which may be signals, near misses and controls in any order."""
    ended = [one for one in outcomes if one.result and one.entry > 0]
    signals = sorted((one for one in ended if one.kind == "signal"), key=lambda one: (one.ended_at, one.outcome_id))
    controls = [one for one in ended if one.kind in CONTROLS]
    near = [one for one in ended if one.kind == "near miss"]
    parted = _cuts(signals) if cuts else {}
    beside = _difference(signals, controls)
    return Record(
        verdict=verdict(signals, beside),
        all=group("all", signals),
        controls={name: group(name, [one for one in controls if one.kind == name]) for name in CONTROLS},
        against_controls=beside,
        gates={gate: _lift(gate, signals, [one for one in near if one.refused_by == gate]) for gate in GATES},
        cuts=parted,
        cuts_looked_at=sum(len(groups) for groups in parted.values()),
        anomalies=aftermaths(outcomes),
        equity=_equity(signals),
    )


def _equity(signals: Sequence[Outcome]) -> list[tuple[int, float]]:
    """Return when signals ended and the sum of net R up to then, the last one always, a thousand at most."""
    sums = np.cumsum(_net(signals))
    shown = np.unique(np.linspace(0, len(signals) - 1, min(len(signals), EQUITY_POINTS)).astype(np.int64))
    return [(signals[place].ended_at, float(sums[place])) for place in shown]


def group(name: str, outcomes: Sequence[Outcome]) -> Group:
    """Return the results of *outcomes*."""
    if not outcomes:
        return Group(name, 0, 0, math.nan, math.nan, UNKNOWN, UNKNOWN)
    days = _days(outcomes)
    return Group(
        name=name,
        n=len(outcomes),
        days=len(np.unique(days)),
        hit_rate=hit_rate(outcomes),
        break_even=sum(break_even(one) for one in outcomes) / len(outcomes),
        gross=mean_by_days(np.array([one.r_gross for one in outcomes]), days),
        net=mean_by_days(_net(outcomes), days),
    )


def hit_rate(outcomes: Sequence[Outcome]) -> float:
    """Return the share whose target came first."""
    return sum(one.result == "target" for one in outcomes) / len(outcomes) if outcomes else math.nan


def verdict(signals: Sequence[Outcome], against_controls: Estimate) -> str:
    """Return the sentence on whether there is an edge: net R above zero and the controls, also in the last third."""
    days = np.unique(_days(signals))
    if len(signals) < ENOUGH or len(days) < ENOUGH_DAYS:
        few = f"{len(signals)} of {ENOUGH}" if len(signals) < ENOUGH else f"{len(days)} of {ENOUGH_DAYS} days"
        return f"too few yet ({few})"
    first_held_out = days[math.ceil(len(days) * SAMPLE_SHARE)]
    held_out = [one for one, day in zip(signals, _days(signals), strict=True) if day >= first_held_out]
    sample = [one for one, day in zip(signals, _days(signals), strict=True) if day < first_held_out]
    inside, outside = (mean_by_days(_net(part), _days(part)) for part in (sample, held_out))
    if not (inside.low > 0 and against_controls.low > 0):
        return "no edge shown"
    return "edge holds out of sample" if outside.low > 0 else "edge in the sample only"


def _difference(left: Sequence[Outcome], right: Sequence[Outcome]) -> Estimate:
    if not left or not right:
        return UNKNOWN
    return difference_by_days(_net(left), _days(left), _net(right), _days(right))


def _lift(gate: str, signals: Sequence[Outcome], refused: Sequence[Outcome]) -> Lift:
    return Lift(gate, len(refused), group(gate, refused).net, _difference(signals, refused))


def _net(outcomes: Sequence[Outcome]) -> Floats:
    return np.array([one.r_net for one in outcomes], dtype=np.float64)


def _days(outcomes: Sequence[Outcome]) -> Days:
    return day_of([one.scan_id for one in outcomes])


Cut = Callable[[Outcome], str]
CUTS: Final[dict[str, Cut]] = {
    "side": lambda one: one.side,
    "regime": lambda one: one.regime,
    "strength": lambda one: str(one.strength),
    "weak": lambda one: "weak" if one.weak else "not weak",
    "score": lambda one: f"{int(one.score // 5) * 5} to {int(one.score // 5) * 5 + 5}",
    "hour": lambda one: f"{datetime.fromtimestamp(one.scan_id / 1_000, UTC).hour // 4 * 4:02d} UTC",
    "symbol": lambda one: one.symbol,
    "settings": lambda one: str(one.settings_version),
}  #: the ways to divide signals into parts, each with its name


def _cuts(signals: Sequence[Outcome]) -> dict[str, list[Group]]:
    """Return the parts that are large enough, each with its share of false discoveries over all of them."""
    found: list[tuple[str, Group]] = []
    for name, part_of in CUTS.items():
        parts: dict[str, list[Outcome]] = {}
        for one in signals:
            parts.setdefault(part_of(one), []).append(one)
        found += [(name, group(part, parts[part])) for part in sorted(parts) if len(parts[part]) >= CUT_AT_LEAST]
    shares = discoveries([part.net.p for _, part in found])
    cuts: dict[str, list[Group]] = {}
    for (name, part), share in zip(found, shares, strict=True):
        cuts.setdefault(name, []).append(replace(part, q=share))
    return cuts


def comparables(outcomes: Sequence[Outcome], *, days: int) -> tuple[Comparable, ...]:
    """Return how setups of each side and band of reward went, where enough of them are known.

    *outcomes* are those of the last *days* days; only signals that have ended count.
    """
    sets: dict[tuple[Side, float, float], list[Outcome]] = {}
    for one in outcomes:
        if one.kind == "signal" and one.result:
            sets.setdefault((one.side, *band_of(reward_of(one.entry, one.stop, one.target))), []).append(one)
    return tuple(
        Comparable(
            side=side,
            low=low,
            high=high,
            n=len(alike),
            hit_rate=hit_rate(alike),
            break_even=math.fsum(break_even(one) for one in alike) / len(alike),  # exact: in any order the same
            days=days,
        )
        for (side, low, high), alike in sorted(sets.items())
        if len(alike) >= SIMILAR_AT_LEAST
    )


def like_this(outcomes: Sequence[Outcome], *, side: Side, reward: float, days: int) -> str:
    """Return the line of a card: how comparable setups went, those of the same side and a similar reward in R."""
    known = RecordChanged(version=0, since=0, comparable=comparables(outcomes, days=days))
    return line_of(comparable_to(known, side, reward))
