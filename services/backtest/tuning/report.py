"""What the search found, as text and as one JSON object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.backtest.reporting.report import day_name, estimate, signed
from services.backtest.trials import LEAST_DAYS
from services.backtest.tuning.grid import Combination
from services.backtest.tuning.walk_forward import FoldResult, WalkForward
from services.evaluator.domain.statistics import Estimate
from shared.contracts import DAY_MS


@dataclass(frozen=True)
class TuneReport:
    """A search, and what is said of it."""

    combinations: Sequence[Combination]  #: the first are the present settings
    signals: Sequence[int]  #: that ended, of each combination
    means: Sequence[float]  #: their net R
    walk: WalkForward
    coins: Sequence[str]
    days: range
    trials: int  #: different ones of the same recording, these included
    notes: Sequence[str]
    seconds: float

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        found = self.walk.difference
        if self.walk.days < LEAST_DAYS:
            return f"too few days to say: {self.walk.days} out of sample, {LEAST_DAYS} are needed; nothing was changed"
        if not found.low > 0:
            return f"no setting is better out of sample ({estimate(found)} R a day); nothing was changed"
        said = f"better by {found.mean:.2f} R a day [{found.low:.2f}, {found.high:.2f}]; nothing was changed"
        if not self.walk.total.low > 0:
            said += f". By itself it is not above zero: {estimate(self.walk.total)} R a day"
        return said


def as_text(report: TuneReport) -> str:
    """Return the report in lines for a terminal."""
    walk = report.walk
    names = [one.name for one in report.combinations]
    lines = [
        f"{_day(report.days.start)} to {_day(report.days.stop - 1)}: {len(report.coins)} coins, {len(names)}"
        f" combinations with the present settings, {len(walk.folds)} folds, {report.seconds:.0f} s",
        "",
        f"VERDICT: {report.verdict}",
        "",
        "R a day by which the chosen is ahead of the present settings; net R of a signal; 95 % by whole days",
    ]
    for number, fold in enumerate(walk.folds, 1):
        lines += _fold(number, fold, names[fold.chosen])
    lines += [
        f"all folds, {walk.days} days: {estimate(walk.difference)} R a day ahead; by itself {estimate(walk.total)}",
        f"all days would choose: {names[walk.last]} ({signed(walk.last_before)} R a day ahead, in sample)",
        "",
        *_cost(report),
        "",
        f"{'all days, in sample':50} {'n':>6}  net R of a signal",
    ]
    for name, n, mean in zip(names, report.signals, report.means, strict=True):
        lines.append(f"  {name:48} {n:6}  {signed(mean)}")
    return "\n".join([*lines, "", *report.notes])


def _fold(number: int, fold: FoldResult, name: str) -> list[str]:
    return [
        f"fold {number}, {_day(fold.days.start)} to {_day(fold.days.stop - 1)}: {name}",
        f"    before: {signed(fold.before)} a day ahead; {fold.before_signals} signals, {signed(fold.before_net)}",
        f"    on it:  {estimate(fold.difference)} a day ahead; {fold.signals} signals, {signed(fold.net)}"
        f" (present: {fold.present_signals}, {signed(fold.present_net)})",
    ]


def _cost(report: TuneReport) -> list[str]:
    """Return what the search costs in significance."""
    walk, count = report.walk, len(report.combinations) - 1
    lines = [
        f"cost of the search: over all days the best of {count} would have p = {_p(walk.alone)} by itself, and has"
        f" {_p(walk.searched)} as the best of {count} (reality check)",
        f"trials on these bars: {report.trials}, every combination is one",
    ]
    if math.isnan(walk.searched):
        lines[0] = "cost of the search: none, no combination differs from the present settings in a single result"
    return lines


def _p(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _day(number: int) -> str:
    return day_name(number * DAY_MS)


def as_json(report: TuneReport) -> dict[str, Any]:
    """Return everything as JSON-able values; what is not known is null."""
    walk = report.walk
    values = [one.values for one in report.combinations]
    return {
        "from": _day(report.days.start),
        "to": _day(report.days.stop - 1),
        "coins": list(report.coins),
        "verdict": report.verdict,
        "combinations": [
            {"values": each, "n": n, "mean_r_net": _number(mean)}
            for each, n, mean in zip(values, report.signals, report.means, strict=True)
        ],
        "folds": [_fold_values(fold, values[fold.chosen]) for fold in walk.folds],
        "difference": _estimate(walk.difference),
        "total": _estimate(walk.total),
        "days": walk.days,
        "chosen_on_all_days": {"values": values[walk.last], "difference": _number(walk.last_before)},
        "p_alone": _number(walk.alone),
        "p_reality_check": _number(walk.searched),
        "trials": report.trials,
        "notes": list(report.notes),
        "seconds": round(report.seconds, 1),
    }


def _fold_values(fold: FoldResult, chosen: dict[str, Any]) -> dict[str, Any]:
    return {
        "from": _day(fold.days.start),
        "to": _day(fold.days.stop - 1),
        "chosen": chosen,
        "in_sample": {
            "difference": _number(fold.before),
            "n": fold.before_signals,
            "mean_r_net": _number(fold.before_net),
        },
        "out_of_sample": {
            "difference": _estimate(fold.difference),
            "n": fold.signals,
            "mean_r_net": _number(fold.net),
            "present_n": fold.present_signals,
            "present_mean_r_net": _number(fold.present_net),
        },
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    return {"mean": _number(found.mean), "interval": [_number(found.low), _number(found.high)], "p": _number(found.p)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
