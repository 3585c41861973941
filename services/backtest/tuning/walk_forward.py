"""Walk forward: choose a combination of settings on the days before a fold, measure it on the fold.

A choice knows only signals that had ended when the fold began (purge), and none that was opened within the hours
before it that a signal is followed (embargo): otherwise the last day would hold quick ends alone.  What is compared is
the daily difference of net R between a combination and the present settings, paired by day.
Sources: López de Prado, Advances in Financial Machine Learning (2018), ch. 7; White, A Reality Check for Data Snooping
(2000).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.backtest.request import RequestError
from services.evaluator.domain.statistics import RESAMPLES, SEED, Estimate, day_of, mean_by_days
from shared.contracts import DAY_MS, Floats, Outcome

LEAST_DAYS: Final = 2  #: of a fold, and before the first one
AFTER_ALL: Final = 1 << 62  #: UNIX ms

Times = npt.NDArray[np.int64]


class TooFewDaysError(RequestError):
    """The days do not suffice for the folds; the message says how many would."""


@dataclass(frozen=True)
class Returns:
    """The ended signals of one combination of settings; all arrays have one length."""

    opened: Times  #: scan, UNIX ms
    ended: Times  #: UNIX ms
    net: Floats  #: R

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Returns:
        """Return those of the signals among *outcomes* that have ended."""
        ended = [one for one in outcomes if one.kind == "signal" and one.result]
        return cls(
            np.array([one.scan_id for one in ended], dtype=np.int64),
            np.array([one.ended_at for one in ended], dtype=np.int64),
            np.array([one.r_net for one in ended], dtype=np.float64),
        )

    @property
    def days(self) -> Times:
        """The UTC day of each; what opens at midnight belongs to the day that ends."""
        return day_of(self.opened - 1)

    def known_at(self, moment: int, embargo: int) -> Returns:
        """Return those that a choice at *moment* may know; *embargo* in ms."""
        return self._only((self.opened <= moment - embargo) & (self.ended <= moment))

    def within(self, days: range) -> Returns:
        """Return those opened on *days*."""
        return self._only((self.days >= days.start) & (self.days < days.stop))

    def daily(self, days: range) -> Floats:
        """Return the sum of net R of each of *days*; every signal must be opened on one of them."""
        return np.bincount(self.days - days.start, self.net, len(days)).astype(np.float64)

    def _only(self, chosen: npt.NDArray[np.bool_]) -> Returns:
        return Returns(self.opened[chosen], self.ended[chosen], self.net[chosen])


@dataclass(frozen=True)
class FoldResult:
    """What was chosen before a fold, and its figures there and before."""

    days: range  #: UTC days since 1970
    chosen: int  #: number of the combination
    before: float  #: R a day by which it was better than the present settings on the days it was chosen on
    before_signals: int
    before_net: float  #: mean net R of these signals; NaN without any
    difference: Estimate  #: R a day by which it was better on the fold
    signals: int  #: on the fold
    net: float
    present_signals: int  #: on the fold, of the present settings
    present_net: float


@dataclass(frozen=True)
class WalkForward:
    """All folds, and what the search over so many combinations costs in significance."""

    folds: list[FoldResult]
    difference: Estimate  #: R a day, over the days of all folds
    total: Estimate  #: R a day of what was chosen itself
    days: int  #: of all folds
    last: int  #: the combination that all days together choose
    last_before: float  #: R a day by which it was better on them
    alone: float  #: p-value of the best combination over all days, as if it had been the only one
    searched: float  #: the same, as the best of all that were looked at


def folds(days: range, count: int) -> list[range]:
    """Return *count* spans of whole days that follow one another up to the end; as much again precedes the first."""
    edges = [days.start + len(days) * number // (count + 1) for number in range(count + 2)]
    if len(days) < LEAST_DAYS * (count + 1):
        raise TooFewDaysError(
            f"{count} folds need {LEAST_DAYS * (count + 1)} days before the last third, there are {len(days)}: ask for"
            " fewer --folds, or bring more bars"
        )
    return [range(start, stop) for start, stop in itertools.pairwise(edges[1:])]


def choose(tried: Sequence[Returns], present: int, moment: int, embargo: int) -> tuple[int, list[float]]:
    """Return the combination whose signals known at *moment* made most net R, and by how much each is ahead.

    The *present* settings stay unless another is better.
    """
    sums = [float(one.known_at(moment, embargo).net.sum()) for one in tried]
    ahead = [each - sums[present] for each in sums]
    best = int(np.argmax(ahead))
    return (best if ahead[best] > 0 else present), ahead


def walk_forward(tried: Sequence[Returns], present: int, days: range, *, count: int, embargo: int) -> WalkForward:
    """Return what choosing among *tried* on earlier *days* was worth on later ones, in *count* folds.

    *present* is the number of the present settings among them; *embargo* in ms.  Raises `TooFewDaysError`.
    """
    inside = [one.within(days) for one in tried]
    spans = folds(days, count)
    found = [_fold(inside, present, days.start, span, embargo) for span in spans]
    differences, totals = [], []
    for one in found:
        own, base = (inside[number].within(one.days).daily(one.days) for number in (one.chosen, present))
        differences.append(own - base)
        totals.append(own)
    measured = np.arange(spans[0].start, spans[-1].stop)
    last, ahead = choose(inside, present, AFTER_ALL, 0)
    every = np.array([one.daily(days) for one in inside])
    compared = np.delete(every - every[present], present, axis=0)
    best = int(np.argmax(compared.sum(axis=1)))
    return WalkForward(
        folds=found,
        difference=mean_by_days(np.concatenate(differences), measured),
        total=mean_by_days(np.concatenate(totals), measured),
        days=len(measured),
        last=last,
        last_before=ahead[last] / len(days),
        alone=reality_check(compared[best : best + 1]),
        searched=reality_check(compared),
    )


def _fold(tried: Sequence[Returns], present: int, first: int, days: range, embargo: int) -> FoldResult:
    moment = days.start * DAY_MS
    chosen, ahead = choose(tried, present, moment, embargo)
    known = tried[chosen].known_at(moment, embargo)
    before = max(1.0, (moment - embargo - first * DAY_MS) / DAY_MS)
    own, base = tried[chosen].within(days), tried[present].within(days)
    return FoldResult(
        days=days,
        chosen=chosen,
        before=ahead[chosen] / before,
        before_signals=len(known.net),
        before_net=_mean(known.net),
        difference=mean_by_days(own.daily(days) - base.daily(days), np.arange(days.start, days.stop)),
        signals=len(own.net),
        net=_mean(own.net),
        present_signals=len(base.net),
        present_net=_mean(base.net),
    )


def reality_check(differences: Floats) -> float:
    """Return how probable a best mean as high as theirs is where none of *differences* is worth anything.

    *differences* has a row a combination and a column a day.  Whole days are drawn, the same ones for all rows, each
    row less its own mean; p is the share of draws whose best mean is at least the one found.  Source: White (2000).
    NaN of fewer than two days or where nothing differs.
    """
    size = differences.shape[1]
    if size < LEAST_DAYS or not differences.any():
        return math.nan
    means = differences.mean(axis=1)
    drawn = np.random.default_rng(SEED).multinomial(size, np.full(size, 1 / size), RESAMPLES)
    by_chance = (drawn @ (differences - means[:, None]).T / size).max(axis=1)
    return float(np.mean(by_chance >= means.max()))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan
