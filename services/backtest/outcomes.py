"""Outcomes of signals, near misses and controls: the evaluator's own functions over the recorded bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

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
from shared.settings import OutcomeSettings, RuntimeSettings


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


class OutcomeFollower:
    """Follows what one coin's decisions give to be followed, up to the end of the recorded bars."""

    def __init__(
        self, bars: Floats, settings: RuntimeSettings, *, near: Callable[[str], bool] = lambda _: True, end: int
    ) -> None:
        """*bars* as of `bars_to_follow`; *near* says of which gate's near misses every one is known.

        *end* is that of all coins' recordings.
        """
        self.begun: list[Outcome] = []  #: the signals at their entries
        self.outcomes: list[Outcome] = []  #: signals and near misses, those that have ended with their result
        self.end = end
        self._bars, self._settings, self._near_of = bars, settings, near
        self._near: dict[str, int] = {}

    def take(self, decisions: Iterable[Decision]) -> None:
        """Follow what the decisions of the next scan give."""
        for decision in decisions:
            outcome = of_decision(decision, self._settings.outcomes)
            if outcome is None:
                continue
            if outcome.kind == "signal":
                self.begun.append(outcome)
                self.outcomes.append(self.end_of(outcome))
            elif self._near_of(outcome.refused_by) and self._near.get(near_key(outcome), 0) <= outcome.scan_id:
                self.outcomes.append(self._near_miss(outcome))

    def _near_miss(self, outcome: Outcome) -> Outcome:
        """Follow a near miss; the next one of its kind may begin a cooldown after its end."""
        settled, seen = followed(outcome, self._bars, self._settings.outcomes, self.end)
        rest = int(self._settings.lifecycle.cooldown_hours * HOUR_MS)
        self._near[near_key(outcome)] = seen + max(rest, 1)
        return settled

    @property
    def signals(self) -> list[Outcome]:
        """The signals so far, those that have ended with their result."""
        return [one for one in self.outcomes if one.kind == "signal"]

    def end_of(self, outcome: Outcome) -> Outcome:
        """Return *outcome* with its end; unchanged where the bars end before."""
        return followed(outcome, self._bars, self._settings.outcomes, self.end)[0]

    def control(self, begun: Outcome) -> Outcome | None:
        """Return a control with its end, None where its prices are no trade."""
        return self.end_of(begun) if controls.is_trade(begun) else None


def other_side(signal: Outcome, coin: OutcomeFollower) -> Outcome | None:
    """Return the control on the other side of *signal*, which is of the same *coin*."""
    return coin.control(controls.other_side(signal))


def other_moment(signal: Outcome, coin: OutcomeFollower, entry: Callable[[int, int], Entry | None]) -> Outcome | None:
    """Return the control of *signal* at another moment; *entry* finds where its *coin* can be entered."""
    planned = controls.planned(signal)
    at = entry(planned.scan_id, min(planned.scan_id + DROPPED_AFTER_MS, coin.end))
    if at is None:
        return None
    return coin.control(controls.at(planned, "other moment", signal.symbol, at.scan_id, at.price, at.atr))


def other_coin(signal: Outcome, coin: OutcomeFollower, symbol: str, entry: Entry) -> Outcome | None:
    """Return the control of *signal* in another *coin*, *symbol*, at *entry*."""
    return coin.control(controls.at(signal, "other coin", symbol, entry.scan_id, entry.price, entry.atr))


def followed(outcome: Outcome, bars: Floats, rules: OutcomeSettings, end: int) -> tuple[Outcome, int]:
    """Return *outcome* with its end and that end's scan; unchanged where the recordings, up to *end*, end before."""
    progress = begin(outcome, hours=rules.hours, cost_rate=rules.fee + rules.slippage)
    first, last = np.searchsorted(bars[AT], [outcome.scan_id, progress.until], side="right")
    progress, touch = follow(outcome, progress, bars[:, first:last])
    if touch is not None:
        return settle(outcome, progress, touch), touch.at
    seen = int(bars[AT, last]) if last < bars.shape[1] else progress.until + PATIENCE_MS
    given_up = min(seen, progress.until + PATIENCE_MS)
    if given_up > end:
        return outcome, given_up
    return settle(outcome, progress, give_up(progress)), given_up


def with_lifecycles(outcomes: Iterable[Outcome], ends: Mapping[str, str]) -> list[Outcome]:
    """Return *outcomes*, the signals with how their lifecycle ended."""
    return [
        msgspec.structs.replace(one, lifecycle=ends.get(one.outcome_id, "")) if one.kind == "signal" else one
        for one in outcomes
    ]
