"""Follows outcomes scan by scan: open ones advance by a bar, new ones begin.

Bars of scans that missed a coin come from the 15m bars of its next decision's chart, which covers a day.  The outcome
of a coin that stays missing ends an hour after its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from services.evaluator.domain import anomalies, controls
from services.evaluator.domain.costs import settle
from services.evaluator.domain.first_touch import (
    AT,
    CLOSE,
    DROPPED_AFTER_MS,
    FUNDING,
    OPEN,
    PATIENCE_MS,
    ROWS,
    TouchProgress,
    begin,
    follow,
    give_up,
)
from services.evaluator.domain.subjects import atr_of, near_key, of_decision
from shared.contracts import HOUR_MS, INTERVALS, SCAN_MS, Analysis, Decision, Fact, Floats, Outcome, unpack
from shared.settings import RuntimeSettings

QUARTER_MS: Final = INTERVALS["15m"]


class Followed(Fact, frozen=True):
    """An outcome that has begun, and its progress."""

    outcome: Outcome
    progress: TouchProgress


class Rate(Fact, frozen=True):
    """A coin's newest running funding rate."""

    rate: float  #: per interval
    hours: int


class FollowingState(Fact, frozen=True):
    """The evaluator's state between scans."""

    settled_scan: int = 0
    followed: dict[str, Followed] = msgspec.field(default_factory=dict)  #: by outcome_id
    planned: dict[str, Outcome] = msgspec.field(default_factory=dict)  #: controls that are not entered yet, by id
    near: dict[str, int] = msgspec.field(default_factory=dict)  #: `near_key` -> scan from which a new one may begin
    rates: dict[str, Rate] = msgspec.field(default_factory=dict)  #: by symbol
    anomalies: dict[str, Outcome] = msgspec.field(default_factory=dict)  #: and their other moments, by outcome_id
    quiet: dict[str, int] = msgspec.field(default_factory=dict)  #: symbol -> scan from which its next anomaly counts


def restore(outcomes: tuple[Outcome, ...], settings: RuntimeSettings, settled_scan: int) -> FollowingState:
    """Return the state of *outcomes* that have begun and not ended; later charts supply the bars since then."""
    rules = settings.outcomes
    rate = rules.fee + rules.slippage
    strange = {one.outcome_id: one for one in outcomes if one.kind in (anomalies.KIND, anomalies.OTHER)}
    outcomes = tuple(one for one in outcomes if one.outcome_id not in strange)
    begun = [one for one in outcomes if one.entry > 0]
    return FollowingState(
        settled_scan=settled_scan,
        followed={
            one.outcome_id: Followed(outcome=one, progress=begin(one, hours=rules.hours, cost_rate=rate))
            for one in begun
        },
        planned={one.outcome_id: one for one in outcomes if one.entry <= 0},
        near={near_key(one): _never(one, rules.hours) for one in begun if one.kind == "near miss"},
        anomalies=strange,
        quiet={one.symbol: _quiet_until(one, settings) for one in strange.values() if one.kind == anomalies.KIND},
    )


class _Work:
    """A scan in progress."""

    def __init__(
        self,
        state: FollowingState,
        scan_id: int,
        decisions: Mapping[str, Decision],
        settings_at: Callable[[int], RuntimeSettings],
    ) -> None:
        self.scan_id = scan_id
        self.decisions = decisions
        self.settings_at = settings_at
        self.followed = dict(state.followed)
        self.planned = dict(state.planned)
        self.near = {name: free for name, free in state.near.items() if free > scan_id}
        self.rates = dict(state.rates)
        self.quiet = {symbol: free for symbol, free in state.quiet.items() if free > scan_id}
        self.published: list[Outcome] = []

    def analysis(self, symbol: str) -> Analysis | None:
        """Return the coin's analysis of this scan if it has no problem and a bar of positive, finite prices."""
        decision = self.decisions.get(symbol)
        return decision.analysis if decision is not None and _has_bar(decision.analysis) else None

    def begin(self, outcome: Outcome) -> None:
        """Follow *outcome* from this scan on, and publish it."""
        rules = self.settings_at(outcome.settings_version).outcomes
        progress = begin(outcome, hours=rules.hours, cost_rate=rules.fee + rules.slippage)
        self.followed[outcome.outcome_id] = Followed(outcome=outcome, progress=progress)
        self.published.append(outcome)


def take_scan(
    state: FollowingState,
    scan_id: int,
    decisions: Mapping[str, Decision],
    settings_at: Callable[[int], RuntimeSettings],
) -> tuple[FollowingState, list[Outcome]]:
    """Return the state after the scan, whose *decisions* are by symbol, and the outcomes to publish."""
    if scan_id <= state.settled_scan:
        return state, []
    work = _Work(state, scan_id, decisions, settings_at)
    for name in sorted(work.followed):
        _advance(work, name)
    for name in sorted(work.planned):
        _enter(work, work.planned[name])
    for symbol in sorted(decisions):
        _begin(work, decisions[symbol])
    _remember_rates(work)
    strange = _follow_anomalies(work, state.anomalies)
    after = FollowingState(
        settled_scan=scan_id,
        followed=work.followed,
        planned=work.planned,
        near=work.near,
        rates=work.rates,
        anomalies=strange,
        quiet=work.quiet,
    )
    return after, work.published


def _advance(work: _Work, name: str) -> None:
    """Advance one outcome by the scan's bar, after the chart's bars for those that were not observed."""
    held = work.followed[name]
    outcome, progress, touch = held.outcome, held.progress, None
    analysis = work.analysis(outcome.symbol)
    if analysis is not None:
        if work.scan_id - progress.followed_to > SCAN_MS:
            progress, touch = follow(outcome, progress, _unseen(work, analysis, outcome, progress), fine=False)
        if touch is None:
            progress, touch = follow(outcome, progress, _bar(work, analysis, progress))
    if touch is None and _over(work.scan_id, progress, seen=analysis is not None):
        touch = give_up(progress)
    if touch is None:
        work.followed[name] = Followed(outcome=outcome, progress=progress)
        return
    del work.followed[name]
    if outcome.kind == "near miss":
        rest = work.settings_at(outcome.settings_version).lifecycle.cooldown_hours
        work.near[near_key(outcome)] = work.scan_id + int(rest * HOUR_MS)
    work.published.append(settle(outcome, progress, touch))


def _over(scan_id: int, progress: TouchProgress, *, seen: bool) -> bool:
    """Return whether the time is over and the coin's bars have come, or are no longer waited for."""
    return scan_id >= progress.until + (SCAN_MS if seen else PATIENCE_MS)


def _bar(work: _Work, analysis: Analysis, progress: TouchProgress) -> Floats:
    """Return the scan's closed bar, with the funding settled since the last observed one."""
    paid = _paid(work.rates.get(analysis.symbol), progress.followed_to, work.scan_id)
    return np.array([work.scan_id, *analysis.bar[:4], paid], dtype=np.float64)[:, None]


def _paid(rate: Rate | None, before: int, close: int) -> float:
    """Return the funding settled between *before*, the last bar's close, and the opening of the bar of *close*."""
    if rate is None:
        return 0.0
    length = rate.hours * HOUR_MS
    return rate.rate * max(0, (close - SCAN_MS) // length - -(-before // length) + 1)


def _unseen(work: _Work, analysis: Analysis, outcome: Outcome, progress: TouchProgress) -> Floats:
    """Return the chart's 15m bars after the entry that cover bars which were not observed.

    A bar that began before the last observed one is used as a whole: its earlier part has touched nothing.  The
    unfinished one is used where it covers more than the scan's own bar.
    """
    if not analysis.chart:
        return np.empty((ROWS, 0))
    chart = unpack(analysis.chart).reshape(6, -1)
    closes = np.minimum(chart[0] + QUARTER_MS, work.scan_id)
    known_to = np.maximum(chart[0], progress.followed_to)
    own = (closes == work.scan_id) & (known_to >= work.scan_id - SCAN_MS)
    wanted = (chart[0] >= outcome.scan_id) & (closes > progress.followed_to) & ~own
    bars = np.zeros((ROWS, int(wanted.sum())))
    bars[AT], bars[OPEN : CLOSE + 1] = closes[wanted], chart[1:5, wanted]
    rate, before = work.rates.get(analysis.symbol), progress.followed_to
    for column, close in enumerate(bars[AT]):
        bars[FUNDING, column] = _paid(rate, before, int(close))
        before = int(close)
    return bars


def _enter(work: _Work, planned: Outcome) -> None:
    """Enter a control of another moment at its scan, or at the coin's next bar; drop it after a day."""
    if work.scan_id < planned.scan_id:
        return
    analysis = work.analysis(planned.symbol)
    atr = atr_of(analysis) if analysis is not None else float("nan")
    if analysis is None or not atr > 0:
        if work.scan_id > planned.scan_id + DROPPED_AFTER_MS:
            _drop(work, planned)
        return
    control = controls.at(planned, "other moment", planned.symbol, work.scan_id, analysis.bar[3], atr)
    if controls.is_trade(control):
        del work.planned[planned.outcome_id]
        work.begin(control)
    else:
        _drop(work, planned)


def _drop(work: _Work, planned: Outcome) -> None:
    """Publish that a control was never entered: it ends without an entry."""
    del work.planned[planned.outcome_id]
    work.published.append(msgspec.structs.replace(planned, result="time", ended_at=work.scan_id))


def _begin(work: _Work, decision: Decision) -> None:
    """Begin the outcome of *decision*, if there is one to follow; a signal with its controls."""
    rules = work.settings_at(decision.settings_version).outcomes
    outcome = of_decision(decision, rules) if decision.outcome != "late" else None
    if outcome is None:
        return
    if outcome.kind == "near miss":
        if near_key(outcome) in work.near:
            return
        work.near[near_key(outcome)] = _never(outcome, rules.hours)
        work.begin(outcome)
        return
    work.begin(outcome)
    for control in (controls.other_side(outcome), _other_coin(work, outcome)):
        if control is not None and controls.is_trade(control):
            work.begin(control)
    planned = controls.planned(outcome)
    work.planned[planned.outcome_id] = planned
    work.published.append(planned)


def _never(outcome: Outcome, hours: float) -> int:
    """Return a scan after the longest end of *outcome*; its actual end then sets when the next one may begin."""
    return outcome.scan_id + int(hours * HOUR_MS) + 2 * PATIENCE_MS


def _other_coin(work: _Work, signal: Outcome) -> Outcome | None:
    for symbol in controls.coins(signal, work.decisions):
        analysis = work.analysis(symbol)
        if analysis is not None and (atr := atr_of(analysis)) > 0:
            return controls.at(signal, "other coin", symbol, work.scan_id, analysis.bar[3], atr)
    return None


def _follow_anomalies(work: _Work, known: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return the anomalies that are followed after this scan, the new ones with their other moment."""
    analyses = {symbol: found for symbol in work.decisions if (found := work.analysis(symbol)) is not None}
    followed, outcomes = anomalies.take_scan(known, analyses, work.scan_id)
    work.published += outcomes
    for symbol in sorted(analyses):
        decision = work.decisions[symbol]
        settings = work.settings_at(decision.settings_version)
        market = decision.decision_id.partition(":")[0]
        begun = anomalies.of_decision(market, decision, settings.anomaly)
        if begun is None or symbol in work.quiet:
            continue
        work.quiet[symbol] = _quiet_until(begun, settings)
        for one in (begun, anomalies.other_moment(begun)):
            followed[one.outcome_id] = one
            work.published.append(one)
    return followed


def _quiet_until(anomaly: Outcome, settings: RuntimeSettings) -> int:
    """Return the scan from which another anomaly of the coin counts: as soon as it may be alerted again."""
    return anomaly.scan_id + int(settings.anomaly.cooldown_hours * HOUR_MS)


def _remember_rates(work: _Work) -> None:
    """Keep the running funding rates of the followed coins."""
    symbols = {held.outcome.symbol for held in work.followed.values()}
    for symbol in symbols:
        analysis = work.analysis(symbol)
        if analysis is not None:
            equivalent, hours = (analysis.derivatives.get(name) for name in ("funding_8h", "funding_interval"))
            if equivalent is not None and hours:
                work.rates[symbol] = Rate(rate=equivalent * hours / 8.0, hours=int(hours))
    work.rates = {symbol: rate for symbol, rate in work.rates.items() if symbol in symbols}


def _has_bar(analysis: Analysis) -> bool:
    prices = analysis.bar[:4]
    return not analysis.problem and len(prices) == 4 and all(0 < price < float("inf") for price in prices)


_PARTS: Final[dict[str, Any]] = {
    "settled_scan": int,
    "followed": dict[str, Followed],
    "planned": dict[str, Outcome],
    "near": dict[str, int],
    "rates": dict[str, Rate],
    "anomalies": dict[str, Outcome],
    "quiet": dict[str, int],
}


def dump(state: FollowingState) -> dict[str, bytes]:
    """Return the state's fields."""
    return {name: msgspec.msgpack.encode(getattr(state, name)) for name in _PARTS}


def load(fields: Mapping[str, bytes]) -> FollowingState:
    """Return the state that `dump` wrote; absent fields are empty."""
    return FollowingState(
        **{name: msgspec.msgpack.decode(fields[name], type=kind) for name, kind in _PARTS.items() if name in fields}
    )


def changed(before: FollowingState, after: FollowingState) -> dict[str, bytes]:
    """Return the fields in which *after* differs from *before*."""
    return {
        name: msgspec.msgpack.encode(getattr(after, name))
        for name in _PARTS
        if getattr(after, name) != getattr(before, name)
    }
