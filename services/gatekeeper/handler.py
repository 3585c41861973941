"""Messages in, messages and the next state out: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from services.gatekeeper.domain import gates, inhibition, lifecycle, muting, price_alerts
from services.gatekeeper.domain.settle import decision, settle
from services.gatekeeper.domain.state import State
from shared.contracts import (
    SCAN_MS,
    Alert,
    Analysis,
    Decision,
    Message,
    Mute,
    PriceAlert,
    PriceTick,
    ScanOpened,
    ScanSettled,
    Stream,
)
from shared.settings import RuntimeSettings


@dataclass(frozen=True)
class JudgingContext:
    """The inputs of every judgement: market, settings, mutes, price alerts, time."""

    market: str
    settings: RuntimeSettings
    now: int  #: wall clock, ms
    mutes: Sequence[Mute] = ()
    price_alerts: Sequence[PriceAlert] | None = None  #: None: not known yet
    settings_version: int = 0  #: of `settings`: what a decision was judged with


@dataclass(frozen=True)
class Handled:
    """The next state and the messages to commit with it."""

    state: State
    outputs: list[tuple[Stream, Message]] = field(default_factory=list)


def settle_scan(
    state: State,
    scan: ScanOpened,
    analyses: Mapping[str, Analysis],
    context: JudgingContext,
    *,
    opened_wall: int,
    entry_id: str = "",
    at_deadline: bool = False,
) -> Handled:
    """Return the results of *scan*; *opened_wall* is when the bus received it, wall clock, ms."""
    now = context.now
    reason = inhibition.reason(scan, opened_wall=opened_wall, now=now, rules=context.settings.scanning)
    notice = inhibition.change(context.market, state.progress.inhibited_by, reason, scan_id=scan.scan_id, now=now)
    settled = settle(
        state,
        scan,
        analyses,
        context.settings,
        market=context.market,
        settings_version=context.settings_version,
        inhibited=reason,
        now=now,
        entry_id=entry_id,
        is_muted=lambda alert: bool(muting.held_by(alert, context.mutes, context.settings, now)),
    )
    after, prices = _unseen_prices(settled.state, scan.scan_id, analyses, context)
    alerts = _marked([*([notice] if notice else []), *settled.alerts, *prices], context)
    decisions: list[tuple[Stream, Message]] = [
        (Stream.DECISIONS_PASSED if one.passed else Stream.DECISIONS, one) for one in settled.decisions
    ]
    summary = ScanSettled(
        scan_id=scan.scan_id,
        symbols=len({*scan.symbols, *scan.missing}),
        analysed=sum(not analysis.problem for analysis in analyses.values()),
        passed=sum(one.passed for one in settled.decisions),
        alerts=len(alerts),
        missing=settled.missing,
        at_deadline=at_deadline,
        opened_at=scan.opened_at,
        settled_at=now,
        seconds=max(0, now - opened_wall) / 1_000,
    )
    return Handled(after, [*((Stream.ALERTS, alert) for alert in alerts), *decisions, (Stream.SCANS, summary)])


def _unseen_prices(
    state: State, scan_id: int, analyses: Mapping[str, Analysis], context: JudgingContext
) -> tuple[State, list[Alert]]:
    """Evaluate the price alerts on bars from which ticks are missing."""
    prices = state.prices
    if context.price_alerts is None or not price_alerts.unseen(prices, scan_id):
        return state, []
    bars = {analysis.symbol: _path(analysis.bar) for analysis in analyses.values() if lifecycle.has_bar(analysis)}
    asked = [one for one in context.price_alerts if one.created_at <= scan_id - SCAN_MS]
    # a bar's extremes may lie five minutes apart
    asked = [one for one in asked if one.condition != "moves" or one.window_seconds * 1_000 >= SCAN_MS]
    if prices.last_tick > scan_id - SCAN_MS:
        prices, alerts = price_alerts.look_back(prices, asked, bars, scan_id, now=context.now, market=context.market)
    else:
        prices, alerts = price_alerts.evaluate(
            prices, asked, bars, scan_id, now=context.now, market=context.market, while_down=True
        )
    return msgspec.structs.replace(state, prices=prices), alerts


def _path(bar: tuple[float, ...]) -> tuple[float, ...]:
    """Return a bar's prices in the likely order: open, the extreme against its direction, the other, close."""
    opened, high, low, close = bar[:4]
    return (opened, low, high, close) if close >= opened else (opened, high, low, close)


def take_ticks(
    state: State,
    ticks: Iterable[tuple[PriceTick, bool]],
    context: JudgingContext,
    *,
    only: frozenset[str] | None = None,
) -> Handled:
    """Return the alerts and the state after *ticks*, each with whether it arrived while no gatekeeper was active.

    A tick that is not newer than the last one is skipped.  With *only*, the keys of signals just opened,
    earlier ticks are applied to those signals alone.
    """
    alerts: list[Alert] = []
    for tick, while_down in ticks:
        if only is None and tick.at <= state.prices.last_tick:
            continue
        state, new = _label(state, tick, context.now, only)
        alerts += new
        if only is None:
            state, new = _price_alerts(state, tick, context, while_down)
            alerts += new
    return Handled(state, [(Stream.ALERTS, alert) for alert in _marked(alerts, context)])


def _label(state: State, tick: PriceTick, now: int, only: frozenset[str] | None) -> tuple[State, list[Alert]]:
    signals, alerts = dict(state.signals), []
    for name in sorted(signals if only is None else only & signals.keys()):
        symbol = signals[name].signal.symbol
        price = tick.prices.get(symbol)
        if price is None:
            continue
        signals[name], bodies = lifecycle.on_tick(signals[name], price, tick.at)
        scan_id = tick.at // SCAN_MS * SCAN_MS + SCAN_MS
        bodies = [lifecycle.with_chart(body, state.charts.get(symbol, b"")) for body in bodies]
        alerts += [lifecycle.alert(signals[name], body, at=tick.at, scan_id=scan_id, now=now) for body in bodies]
    if signals == state.signals:
        return state, alerts
    return msgspec.structs.replace(state, signals=signals), alerts


def _price_alerts(
    state: State, tick: PriceTick, context: JudgingContext, while_down: bool
) -> tuple[State, list[Alert]]:
    prices, alerts = state.prices, list[Alert]()
    if context.price_alerts is not None:
        quoted = {symbol: (price,) for symbol, price in tick.prices.items()}
        prices = price_alerts.forget(prices, context.price_alerts)
        prices, alerts = price_alerts.evaluate(
            prices, context.price_alerts, quoted, tick.at, now=context.now, market=context.market, while_down=while_down
        )
    return msgspec.structs.replace(state, prices=price_alerts.seen(prices, tick.at)), alerts


def take_late(state: State, analyses: Iterable[Analysis], context: JudgingContext) -> Handled:
    """Return decisions for analyses whose scan settled without them; repeated analyses give none.

    Where the scan's missing symbols are no longer known, the analysis counts as late.
    """
    known = {settled.scan_id: settled.missing for settled in state.progress.recent}
    late = [one for one in analyses if one.symbol in known.get(one.scan_id, (one.symbol,))]
    return Handled(state, [(Stream.DECISIONS, _late(analysis, context)) for analysis in late])


def _late(analysis: Analysis, context: JudgingContext) -> Decision:
    verdicts = gates.judge(analysis, context.settings.thresholds_for(analysis.symbol), None)
    return decision(context.market, analysis, verdicts, "late", settings_version=context.settings_version)


def watch_staleness(state: State, context: JudgingContext, *, heard_wall: int, limit_ms: int | None) -> Handled:
    """Return the system alert when data has become stale; the next sound scan makes the one for its end."""
    stale = limit_ms is not None and context.now - heard_wall > limit_ms
    if stale == bool(state.watch.stale_since):
        return Handled(state)
    watch = msgspec.structs.replace(state.watch, stale_since=heard_wall if stale else 0)
    progress, alerts = state.progress, list[Alert]()
    if stale and not progress.inhibited_by:
        at = max(state.prices.last_tick, progress.settled_scan)
        alerts = [inhibition.stale_alert(context.market, heard_wall, occurred_at=at, now=context.now)]
        progress = msgspec.structs.replace(
            progress, inhibited_by=inhibition.NO_DATA, inhibited_since=progress.settled_scan
        )
    after = msgspec.structs.replace(state, watch=watch, progress=progress)
    return Handled(after, [(Stream.ALERTS, one) for one in _marked(alerts, context)])


def _marked(alerts: Iterable[Alert], context: JudgingContext) -> list[Alert]:
    """Return *alerts* with `held_by` set on those that mutes or quiet hours hold back."""
    return [
        msgspec.structs.replace(alert, held_by=muting.held_by(alert, context.mutes, context.settings, context.now))
        for alert in alerts
    ]
