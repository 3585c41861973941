"""Outcomes of signals, near misses and controls: the evaluator's own functions over the recorded bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from services.backtest.recorded.futures_data import funding_paid
from services.backtest.recorded.recording import CoinHistory
from services.evaluator.domain import controls
from services.evaluator.domain.costs import settle
from services.evaluator.domain.first_touch import (
    AT,
    CLOSE,
    DROPPED_AFTER_MS,
    FUNDING,
    OPEN,
    PATIENCE_MS,
    ROWS,
    begin,
    follow,
    give_up,
)
from services.evaluator.domain.subjects import atr_of, near_key, of_decision
from services.fetcher.domain import bars as columns
from shared.contracts import HOUR_MS, SCAN_MS, Analysis, Decision, Floats, Outcome
from shared.settings import RuntimeSettings

Moment = tuple[str, int, int]  #: a coin at the first scan from one to another at which it can be entered
Bars = Mapping[str, Floats]  #: by symbol, as `bars_to_follow` returns them


def bars_to_follow(history: CoinHistory) -> Floats:
    """Return the recorded five-minute bars as `follow` takes them, shape (6, n): close time, prices, funding."""
    five = history.five
    there = np.isfinite(five[columns.CLOSE])
    bars = np.empty((ROWS, int(there.sum())))
    bars[AT] = five[columns.OPEN_TIME, there] + SCAN_MS
    bars[OPEN : CLOSE + 1] = five[columns.OPEN : columns.CLOSE + 1, there]
    paid = np.cumsum(funding_paid(history))[there]  # what was paid within a hole is paid at its end
    bars[FUNDING] = np.diff(paid, prepend=0.0)
    return bars


@dataclass(frozen=True)
class Entry:
    """Where a control may be entered."""

    scan_id: int
    price: float
    atr: float


def entry_of(analysis: Analysis | None) -> Entry | None:
    """Return the close and ATR of *analysis*, None where either is not known."""
    if analysis is None or analysis.problem or not atr_of(analysis) > 0:
        return None
    return Entry(analysis.scan_id, analysis.bar[3], atr_of(analysis))


@dataclass
class WithControls:
    """What was followed, and which coins at which scans have yet to be analysed for the controls."""

    outcomes: list[Outcome] = field(default_factory=list)
    wanted: set[Moment] = field(default_factory=set)


class OutcomeFollower:
    """Follows what decisions give to be followed, up to the end of the recorded bars."""

    def __init__(
        self,
        bars: Bars,
        settings: RuntimeSettings,
        *,
        near: Callable[[str], bool] = lambda _: True,
        end: int | None = None,
    ) -> None:
        """*near* says of which gate's near misses every one is known; *end* of the recording, else of *bars*."""
        self._bars, self._settings, self._near_of = bars, settings, near
        self._end = end or max((int(each[AT, -1]) for each in bars.values() if each.shape[1]), default=0)
        self._near: dict[str, int] = {}
        self._signals: list[Outcome] = []
        self._outcomes: list[Outcome] = []

    def take(self, decisions: Iterable[Decision]) -> None:
        """Follow what the decisions of the next scan give."""
        for decision in decisions:
            outcome = of_decision(decision, self._settings.outcomes)
            if outcome is None:
                continue
            if outcome.kind == "signal":
                self._signals.append(outcome)
                self._outcomes.append(self.end_of(outcome)[0])
            elif self._near_of(outcome.refused_by) and self._near.get(near_key(outcome), 0) <= outcome.scan_id:
                self._outcomes.append(self._near_miss(outcome))

    def _near_miss(self, outcome: Outcome) -> Outcome:
        """Follow a near miss; the next one of its kind may begin a cooldown after its end."""
        settled, seen = self.end_of(outcome)
        rest = int(self._settings.lifecycle.cooldown_hours * HOUR_MS)
        self._near[near_key(outcome)] = seen + max(rest, 1)
        return settled

    @property
    def signals(self) -> list[Outcome]:
        """The signals so far, those that have ended with their result."""
        return [one for one in self._outcomes if one.kind == "signal"]

    def controls(self, known: Mapping[Moment, Entry | None]) -> WithControls:
        """Return all outcomes with the signals' controls; *known* are the coins analysed for them so far."""
        found = WithControls(list(self._outcomes))
        for signal in self._signals:
            begun = [controls.other_side(signal), self._other_coin(signal, known), self._other_moment(signal, known)]
            for control in begun:
                if isinstance(control, tuple):
                    found.wanted.add(control)
                elif control is not None and controls.is_trade(control):
                    found.outcomes.append(self.end_of(control)[0])
        return found

    def _other_coin(self, signal: Outcome, known: Mapping[Moment, Entry | None]) -> Outcome | Moment | None:
        present = [symbol for symbol in self._bars if self._first_bar(symbol, signal.scan_id) == signal.scan_id]
        for symbol in controls.coins(signal, present):
            moment = symbol, signal.scan_id, signal.scan_id
            if moment not in known:
                return moment
            if (entry := known[moment]) is not None:
                return controls.at(signal, "other coin", symbol, entry.scan_id, entry.price, entry.atr)
        return None

    def _other_moment(self, signal: Outcome, known: Mapping[Moment, Entry | None]) -> Outcome | Moment | None:
        planned = controls.planned(signal)
        moment = signal.symbol, planned.scan_id, min(planned.scan_id + DROPPED_AFTER_MS, self._end)
        if moment not in known:
            return moment
        entry = known[moment]
        if entry is None:
            return None
        return controls.at(planned, "other moment", signal.symbol, entry.scan_id, entry.price, entry.atr)

    def _first_bar(self, symbol: str, since: int) -> int | None:
        """Return the first scan from *since* on at which a bar of *symbol* closes."""
        bars = self._bars[symbol]
        column = int(np.searchsorted(bars[AT], since))
        return int(bars[AT, column]) if column < bars.shape[1] else None

    def end_of(self, outcome: Outcome) -> tuple[Outcome, int]:
        """Return *outcome* with its end and that end's scan; unchanged where the bars end before."""
        rules = self._settings.outcomes
        progress = begin(outcome, hours=rules.hours, cost_rate=rules.fee + rules.slippage)
        bars = self._bars[outcome.symbol]
        first, last = np.searchsorted(bars[AT], [outcome.scan_id, progress.until], side="right")
        progress, touch = follow(outcome, progress, bars[:, first:last])
        if touch is not None:
            return settle(outcome, progress, touch), touch.at
        seen = int(bars[AT, last]) if last < bars.shape[1] else progress.until + PATIENCE_MS
        given_up = min(seen, progress.until + PATIENCE_MS)
        if given_up > self._end:
            return outcome, given_up
        return settle(outcome, progress, give_up(progress)), given_up


def with_lifecycles(outcomes: Iterable[Outcome], ends: Mapping[str, str]) -> list[Outcome]:
    """Return *outcomes*, the signals with how their lifecycle ended."""
    return [
        msgspec.structs.replace(one, lifecycle=ends.get(one.outcome_id, "")) if one.kind == "signal" else one
        for one in outcomes
    ]
