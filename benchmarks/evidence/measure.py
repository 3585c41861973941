"""Each rule's figures on the days before the last third, over all rules at once, and on the last third."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.evidence.questions import QUESTIONS, Found, Question, Rule, Sample, as_shipped
from services.backtest import holdout
from services.backtest.tuning.walk_forward import Returns, WalkForward, walk_forward
from services.evaluator.domain.record import Group, group
from services.evaluator.domain.statistics import Days, Estimate, day_of, difference_by_days, discoveries
from shared.contracts import HOUR_MS, Floats, Outcome

FOLDS: Final = 4
AS_SHIPPED: Final = Rule("as shipped", as_shipped)
NO_CONTROLS: Final = Estimate(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Spans:
    """The days before the last third, and the last third, in scans."""

    first: int
    last: int  #: the last scan before the third whose trades end before it
    begins: int  #: of the last third

    @classmethod
    def of(cls, sample: Sample) -> Spans:
        """Return the spans of a backtest over everything that can be analysed."""
        begins = holdout.boundary(sample.backtest.first, sample.backtest.last)
        hours = sample.market.settings.outcomes.hours
        return cls(sample.backtest.first, holdout.last_scan(begins, hours), begins)

    @property
    def days(self) -> range:
        """The days before the last third."""
        return range(int(day_of([self.first - 1])[0]), int(day_of([self.last - 1])[0]) + 1)

    def early(self, found: Found) -> Found:
        """Return what was opened before the last third, and ended there."""
        return Found(*([one for one in each if one.scan_id <= self.last] for each in (found.trades, found.controls)))

    def late(self, found: Found) -> Found:
        """Return what was opened in the last third."""
        return Found(*([one for one in each if one.scan_id >= self.begins] for each in (found.trades, found.controls)))


@dataclass(frozen=True)
class Figures:
    """The figures of a rule over a span."""

    group: Group
    against: Estimate  #: net R less that of the controls
    q: float = math.nan  #: share of false discoveries among rules that are as far above zero


@dataclass(frozen=True)
class Measured:
    """A question's answer."""

    question: Question
    early: tuple[Figures, ...]  #: of its rules, before the last third
    walk: WalkForward  #: the rules as shipped are the first of those it may choose
    late: Figures | None  #: of what all early days choose, in the last third; None: the signals as shipped

    @property
    def chosen(self) -> str:
        """The rule that all days before the last third choose."""
        return (AS_SHIPPED, *self.question.rules)[self.walk.last].name

    @property
    def holds(self) -> bool:
        """Whether a choice of these rules was above zero and above the signals on days it was not chosen on."""
        is_above = self.walk.total.low > 0 and self.walk.difference.low > 0
        return is_above and self.late is not None and self.late.group.net.low > 0 and self.late.against.low > 0


@dataclass(frozen=True)
class Evidence:
    """Everything that was asked."""

    spans: Spans
    early: Figures  #: of the signals as shipped
    late: Figures
    answers: tuple[Measured, ...]

    @property
    def rules(self) -> int:
        """How many rules were tried."""
        return sum(len(one.early) for one in self.answers)


def measure(sample: Sample) -> Evidence:
    """Return the figures of every rule."""
    spans = Spans.of(sample)
    shipped = AS_SHIPPED.make(sample)
    every = [(question, [rule.make(sample) for rule in question.rules]) for question in QUESTIONS]
    early = [[figures(spans.early(found)) for found in made] for _, made in every]
    shares = iter(discoveries([above_zero(one.group.net) for each in early for one in each]))
    answers = []
    for (question, made), found in zip(every, early, strict=True):
        walk = _walk([shipped, *made], spans, sample)
        late = figures(spans.late(made[walk.last - 1])) if walk.last else None
        answers.append(Measured(question, tuple(replace(one, q=next(shares)) for one in found), walk, late))
    return Evidence(spans, figures(spans.early(shipped)), figures(spans.late(shipped)), _with_late_shares(answers))


def _with_late_shares(answers: Sequence[Measured]) -> tuple[Measured, ...]:
    """Return *answers* with the share of false discoveries among all that were looked at in the last third."""
    shares = discoveries([above_zero(one.late.group.net) if one.late else math.nan for one in answers])
    return tuple(
        replace(one, late=one.late and replace(one.late, q=share)) for one, share in zip(answers, shares, strict=True)
    )


def _walk(made: Sequence[Found], spans: Spans, sample: Sample) -> WalkForward:
    tried = [Returns.of(spans.early(found).trades) for found in made]
    embargo = int(sample.market.settings.outcomes.hours * HOUR_MS)
    return walk_forward(tried, 0, spans.days, count=FOLDS, embargo=embargo)


def figures(found: Found) -> Figures:
    """Return the figures of *found*."""
    against = NO_CONTROLS
    if found.trades and found.controls:
        against = difference_by_days(*_net(found.trades), *_net(found.controls))
    return Figures(group("", found.trades), against)


def above_zero(estimate: Estimate) -> float:
    """Return the one-sided p-value: how probable as high a mean is by chance where it is nothing."""
    return estimate.p / 2 if estimate.mean > 0 else 1 - estimate.p / 2


def _net(trades: Sequence[Outcome]) -> tuple[Floats, Days]:
    return np.array([one.r_net for one in trades]), day_of([one.scan_id for one in trades])
