"""Messages in, messages and the next state out: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from services.gatekeeper.domain import gates, inhibition, lifecycle, price_alerts, silence
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
class World:
    """What people have asked for, and the time."""

    settings: RuntimeSettings
    now: int  #: wall clock, ms
    mutes: Sequence[Mute] = ()
    price_alerts: Sequence[PriceAlert] | None = None  #: None: not known yet
    settings_version: int = 0  #: of `settings`: what a decision was judged with


@dataclass(frozen=True)
class Outcome:
    """What is to be committed."""

    state: State
    outputs: list[tuple[Stream, Message]] = field(default_factory=list)


def settle_scan(
    state: State,
    scan: ScanOpened,
    analyses: Mapping[str, Analysis],
    world: World,
    *,
    opened_wall: int,
    entry_id: str = "",
    at_deadline: bool = False,
) -> Outcome:
    """Return all that comes of *scan*; *opened_wall* is when the bus got it."""
    now = world.now
    reason = inhibition.reason(scan, opened_wall=opened_wall, now=now, rules=world.settings.scanning)
    told = inhibition.change(state.progress.inhibited_by, reason, scan_id=scan.scan_id, now=now)
    settled = settle(
        state,
        scan,
        analyses,
        world.settings,
        settings_version=world.settings_version,
        inhibited=reason,
        now=now,
        entry_id=entry_id,
        is_muted=lambda alert: bool(silence.held_by(alert, world.mutes, world.settings, now)),
    )
    after, prices = _unseen_prices(settled.state, scan.scan_id, analyses, world)
    alerts = _marked([*([told] if told else []), *settled.alerts, *prices], world)
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
    return Outcome(after, [*((Stream.ALERTS, alert) for alert in alerts), *decisions, (Stream.SCANS, summary)])


def _unseen_prices(
    state: State, scan_id: int, analyses: Mapping[str, Analysis], world: World
) -> tuple[State, list[Alert]]:
    """Evaluate the price alerts on bars from which ticks are missing: somebody was down."""
    prices = state.prices
    if world.price_alerts is None or not price_alerts.unseen(prices, scan_id):
        return state, []
    bars = {analysis.symbol: _path(analysis.bar) for analysis in analyses.values() if lifecycle.has_bar(analysis)}
    asked = [one for one in world.price_alerts if one.created_at <= scan_id - SCAN_MS]
    # a bar's extremes may lie five minutes apart
    asked = [one for one in asked if one.condition != "moves" or one.window_seconds * 1_000 >= SCAN_MS]
    if prices.last_tick > scan_id - SCAN_MS:
        prices, alerts = price_alerts.look_back(prices, asked, bars, scan_id, now=world.now)
    else:
        prices, alerts = price_alerts.evaluate(prices, asked, bars, scan_id, now=world.now, while_down=True)
    return msgspec.structs.replace(state, prices=prices), alerts


def _path(bar: tuple[float, ...]) -> tuple[float, ...]:
    """Return a bar's prices in the likely order: open, the extreme against its direction, the other, close."""
    opened, high, low, close = bar[:4]
    return (opened, low, high, close) if close >= opened else (opened, high, low, close)


def take_ticks(
    state: State, ticks: Iterable[tuple[PriceTick, bool]], world: World, *, only: frozenset[str] | None = None
) -> Outcome:
    """Return what comes of *ticks*, each with whether it arrived while nobody looked.

    A tick not newer than the last one is old news.  With *only*, the keys of signals just opened,
    ticks that were already taken are shown to those alone.
    """
    alerts: list[Alert] = []
    for tick, while_down in ticks:
        if only is None and tick.at <= state.prices.last_tick:
            continue
        state, told = _label(state, tick, world.now, only)
        alerts += told
        if only is None:
            state, told = _price_alerts(state, tick, world, while_down)
            alerts += told
    return Outcome(state, [(Stream.ALERTS, alert) for alert in _marked(alerts, world)])


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


def _price_alerts(state: State, tick: PriceTick, world: World, while_down: bool) -> tuple[State, list[Alert]]:
    prices, alerts = state.prices, list[Alert]()
    if world.price_alerts is not None:
        quoted = {symbol: (price,) for symbol, price in tick.prices.items()}
        prices = price_alerts.forget(prices, world.price_alerts)
        prices, alerts = price_alerts.evaluate(
            prices, world.price_alerts, quoted, tick.at, now=world.now, while_down=while_down
        )
    return msgspec.structs.replace(state, prices=price_alerts.seen(prices, tick.at)), alerts


def take_late(state: State, analyses: Iterable[Analysis], world: World) -> Outcome:
    """Return the records of analyses whose scan was settled without them; doubles leave none.

    Where it is no longer known who was missing from the scan, the analysis counts as late.
    """
    known = {settled.scan_id: settled.missing for settled in state.progress.recent}
    late = [one for one in analyses if one.symbol in known.get(one.scan_id, (one.symbol,))]
    return Outcome(state, [(Stream.DECISIONS, _late(analysis, world)) for analysis in late])


def _late(analysis: Analysis, world: World) -> Decision:
    verdicts = gates.judge(analysis, world.settings.thresholds_for(analysis.symbol), None)
    return decision(analysis, verdicts, "late", settings_version=world.settings_version)


def watch_silence(state: State, world: World, *, heard_wall: int, limit_ms: int | None) -> Outcome:
    """Return the one alert for data that stopped coming; the next sound scan tells that signals may come again."""
    silent = limit_ms is not None and world.now - heard_wall > limit_ms
    if silent == bool(state.watch.stale_since):
        return Outcome(state)
    watch = msgspec.structs.replace(state.watch, stale_since=heard_wall if silent else 0)
    progress, alerts = state.progress, list[Alert]()
    if silent and not progress.inhibited_by:
        at = max(state.prices.last_tick, progress.settled_scan)
        alerts = [inhibition.silence(heard_wall, occurred_at=at, now=world.now)]
        progress = msgspec.structs.replace(
            progress, inhibited_by=inhibition.SILENCE, inhibited_since=progress.settled_scan
        )
    after = msgspec.structs.replace(state, watch=watch, progress=progress)
    return Outcome(after, [(Stream.ALERTS, one) for one in _marked(alerts, world)])


def _marked(alerts: Iterable[Alert], world: World) -> list[Alert]:
    """Return *alerts*, each with what mutes and quiet hours hold back marked so."""
    return [
        msgspec.structs.replace(alert, held_by=silence.held_by(alert, world.mutes, world.settings, world.now))
        for alert in alerts
    ]
