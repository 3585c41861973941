"""The questions that were asked, each with the rules that were tried; the list was fixed before any was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Final

import msgspec

from benchmarks.evidence import trades
from benchmarks.evidence.market import Market
from services.backtest.run import Backtest
from services.evaluator.domain import controls
from services.evaluator.domain.costs import expected_cost
from services.evaluator.domain.record import CONTROLS
from services.evaluator.domain.subjects import of_decision
from shared.contracts import HOUR_MS, SCAN_MS, Decision, Outcome, Regime, Side
from shared.settings import OutcomeSettings

FLOOR: Final = 0.8 * 1.01  #: ATR: a stop within it sits at the least distance that levels allow
BROAD: Final = 0.75  #: share of the coins that move one way, on a day of the whole market


@dataclass(frozen=True, eq=False)
class Sample:
    """The ended signals of a backtest with their controls, and what else a rule may choose from."""

    backtest: Backtest
    market: Market

    @cached_property
    def signals(self) -> list[Outcome]:
        """The ended signals, as shipped."""
        return [one for one in self.backtest.outcomes if one.kind == "signal" and one.result]

    @cached_property
    def controls(self) -> Mapping[str, list[Outcome]]:
        """The ended controls, by the signal's id."""
        found = defaultdict(list)
        for one in self.backtest.outcomes:
            if one.kind in CONTROLS and one.result and one.entry > 0:
                found[one.subject_id].append(one)
        return found

    def near_misses(self, gate: str) -> list[Outcome]:
        """Return what *gate* alone refused, ended, as signals."""
        near = [one for one in self.backtest.outcomes if one.kind == "near miss" and one.refused_by == gate]
        return [as_signal(one) for one in near if one.result]

    @cached_property
    def decisions(self) -> Mapping[tuple[str, int], Decision]:
        """The decisions that mattered, by coin and scan."""
        return {(one.analysis.symbol, one.analysis.scan_id): one for one in self.backtest.decisions}

    def others_nearby(self, signal: Outcome) -> int:
        """Return how many other coins' signals of its side were opened within the hour up to it."""
        since = signal.scan_id - HOUR_MS
        near = {one.symbol for one in self.signals if one.side == signal.side and since < one.scan_id <= signal.scan_id}
        return len(near - {signal.symbol})


@dataclass(frozen=True)
class Found:
    """The trades that a rule makes, followed to their ends, and the same of their controls."""

    trades: Sequence[Outcome]
    controls: Sequence[Outcome]


@dataclass(frozen=True)
class Rule:
    """One rule that was tried in place of the signals as shipped."""

    name: str
    make: Callable[[Sample], Found]


@dataclass(frozen=True)
class Question:
    """A question, and its rules."""

    name: str
    rules: tuple[Rule, ...]


def as_signal(trade: Outcome) -> Outcome:
    """Return *trade* as what is opened: its figures count as a signal's."""
    return msgspec.structs.replace(trade, kind="signal")


def as_shipped(sample: Sample) -> Found:
    """Return the signals themselves."""
    return _kept(lambda _sample, _signal: True)(sample)


def _kept(keep: Callable[[Sample, Outcome], bool]) -> Callable[[Sample], Found]:
    """Return a rule's trades: the signals that *keep* chooses by what is known at their entry."""

    def make(sample: Sample) -> Found:
        chosen = [one for one in sample.signals if keep(sample, one)]
        return Found(chosen, [control for one in chosen for control in sample.controls[one.outcome_id]])

    return make


def _changed(change: Callable[[Outcome, Market], Outcome | None]) -> Callable[[Sample], Found]:
    """Return a rule's trades: every signal and every control as *change* makes and follows them."""

    def of(each: Iterable[Outcome], market: Market) -> list[Outcome]:
        return [made for one in each if (made := change(one, market)) is not None and made.result]

    def make(sample: Sample) -> Found:
        every = [control for one in sample.signals for control in sample.controls[one.outcome_id]]
        return Found(of(sample.signals, sample.market), of(every, sample.market))

    return make


def _against_other_side(trades_made: Iterable[Outcome], market: Market) -> Found:
    """Return *trades_made* with the same trades on the other side as their controls."""
    made = list(trades_made)
    others = [control for one in made if controls.is_trade(control := controls.other_side(one))]
    return Found(made, [ended for one in others if (ended := market.ended(one)).result])


def _followed(change: Callable[[Outcome], Outcome]) -> Callable[[Sample], Found]:
    return _changed(lambda trade, market: market.ended(change(trade)))


def _pulled_back(atrs: float, *, levels_move: bool) -> Callable[[Sample], Found]:
    return _changed(lambda trade, market: trades.pulled_back(trade, market, atrs, levels_move=levels_move))


def _first_appearance(sample: Sample) -> Found:
    return _against_other_side(sample.near_misses("persistence"), sample.market)


def _later_appearance(later: int, sample: Sample) -> Found:
    """Return the signals entered *later* scans on, where every gate passed in each of them."""
    made = []
    for signal in sample.signals:
        scans = [signal.scan_id + number * SCAN_MS for number in range(1, later + 1)]
        seen = [sample.decisions.get((signal.symbol, scan_id)) for scan_id in scans]
        if all(one is not None and one.passed and one.analysis.side == signal.side for one in seen):
            entered = _entered(seen[-1], sample.market.settings.outcomes)
            made += [entered] if entered is not None else []
    ended = [sample.market.ended(one) for one in made]
    return _against_other_side([one for one in ended if one.result], sample.market)


def _entered(decision: Decision | None, rules: OutcomeSettings) -> Outcome | None:
    """Return the trade of *decision* as if it had opened a signal."""
    if decision is None:
        return None
    name = f"later:{decision.decision_id}"
    return of_decision(msgspec.structs.replace(decision, signal_id=name), rules)


def _ranked_setups(sample: Sample, least: float) -> Found:
    """Return the setups that every gate but the score lets through, of the coins that moved most to their side."""
    setups = sample.signals + sample.near_misses("score")
    return _against_other_side(
        [one for one in setups if _rank(sample, one) >= least],
        sample.market,
    )


def _rank(sample: Sample, one: Outcome) -> float:
    return sample.market.rank(one.symbol, one.side, one.scan_id)


def _breadth(sample: Sample, one: Outcome) -> float:
    return sample.market.breadth(one.side, one.scan_id)


def _other_side(sample: Sample) -> Found:
    every = [control for one in sample.signals for control in sample.controls[one.outcome_id]]
    return Found([as_signal(one) for one in every if one.kind == "other side"], sample.signals)


def _cost(sample: Sample, one: Outcome) -> float:
    rules = sample.market.settings.outcomes
    return expected_cost(one, rules.fee + rules.slippage)


def _atrs_to_stop(one: Outcome) -> float:
    return abs(one.entry - one.stop) / one.atr


def _hour(one: Outcome) -> int:
    return datetime.fromtimestamp(one.scan_id / 1_000, UTC).hour


def _of_regime(*regimes: Regime) -> Callable[[Sample], Found]:
    return _kept(lambda _sample, one: one.regime in regimes)


def _of_side(side: Side) -> Callable[[Sample], Found]:
    return _kept(lambda _sample, one: one.side == side)


def _of_hours(first: int) -> Callable[[Sample], Found]:
    return _kept(lambda _sample, one: first <= _hour(one) < first + 4)


QUESTIONS: Final = (
    Question(
        "a later entry",
        (
            Rule("limit 0.25 ATR back, levels move along", _pulled_back(0.25, levels_move=True)),
            Rule("limit 0.5 ATR back, levels move along", _pulled_back(0.5, levels_move=True)),
            Rule("limit 1 ATR back, levels move along", _pulled_back(1.0, levels_move=True)),
            Rule("limit 0.25 ATR back, levels stay", _pulled_back(0.25, levels_move=False)),
            Rule("limit 0.5 ATR back, levels stay", _pulled_back(0.5, levels_move=False)),
        ),
    ),
    Question(
        "other levels",
        (
            Rule("stop at least 1.2 ATR away", _followed(lambda one: trades.stop_at_least(one, 1.2))),
            Rule("stop at least 1.6 ATR away", _followed(lambda one: trades.stop_at_least(one, 1.6))),
            Rule("stop at least 2.5 ATR away", _followed(lambda one: trades.stop_at_least(one, 2.5))),
            Rule("stop and target twice as far", _followed(lambda one: trades.scaled(one, 2.0))),
            Rule("no target: stop, or 24 h", _followed(trades.without_target)),
            Rule("only stops beyond the floor of 0.8 ATR", _kept(lambda _, one: _atrs_to_stop(one) > FLOOR)),
            Rule("only costs up to 0.15 R", _kept(lambda sample, one: _cost(sample, one) <= 0.15)),
            Rule("only costs up to 0.10 R", _kept(lambda sample, one: _cost(sample, one) <= 0.10)),
        ),
    ),
    Question(
        "the appearance",
        (
            Rule("the first, not waiting for a second", _first_appearance),
            Rule("the third", partial(_later_appearance, 1)),
            Rule("the fourth", partial(_later_appearance, 2)),
        ),
    ),
    Question(
        "the rank among all coins",
        (
            Rule("moved to the side more than 3 in 4", _kept(lambda sample, one: _rank(sample, one) >= 0.75)),
            Rule("moved to the side less than half", _kept(lambda sample, one: _rank(sample, one) < 0.5)),
            Rule("any score, more than 3 in 4", lambda sample: _ranked_setups(sample, 0.75)),
            Rule("any score, more than 9 in 10", lambda sample: _ranked_setups(sample, 0.9)),
        ),
    ),
    Question(
        "the regime",
        (
            Rule("VOLATILE left out", _of_regime("TRENDING", "RANGING")),
            Rule("TRENDING alone", _of_regime("TRENDING")),
            Rule("VOLATILE alone", _of_regime("VOLATILE")),
        ),
    ),
    Question(
        "the whole market's days",
        (
            Rule("3 in 4 coins moved to the side in 24 h", _kept(lambda sample, one: _breadth(sample, one) >= BROAD)),
            Rule("fewer did", _kept(lambda sample, one: _breadth(sample, one) < BROAD)),
            Rule(
                "no other signal of the side within an hour", _kept(lambda sample, one: not sample.others_nearby(one))
            ),
            Rule("three others or more", _kept(lambda sample, one: sample.others_nearby(one) >= 3)),
        ),
    ),
    Question(
        "the side",
        (
            Rule("long alone", _of_side("long")),
            Rule("short alone", _of_side("short")),
            Rule("the other side", _other_side),
        ),
    ),
    Question(
        "the hour",
        tuple(Rule(f"{first:02d} to {first + 4:02d} UTC", _of_hours(first)) for first in range(0, 24, 4)),
    ),
    Question(
        "strength and what it counts",
        (
            Rule("strength 3 or more", _kept(lambda _, one: one.strength >= 3)),
            Rule("strength 4 or more", _kept(lambda _, one: one.strength >= 4)),
            Rule("WEAK left out", _kept(lambda _, one: not one.weak)),
            Rule("score 72 or more", _kept(lambda _, one: one.score >= 72.0)),
            Rule("score 80 or more", _kept(lambda _, one: one.score >= 80.0)),
            Rule("FMQS 60 or more", _kept(lambda _, one: (one.fmqs or 0.0) >= 60.0)),
            Rule("R:R 2 or more", _kept(lambda _, one: one.reward_to_risk >= 2.0)),
        ),
    ),
)
