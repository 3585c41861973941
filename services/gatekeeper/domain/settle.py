"""Settle one scan as a whole: judge every symbol, update the open signals, open new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from services.gatekeeper.domain import anomalies, gates, grouping, lifecycle
from services.gatekeeper.domain.new_signal import Opening
from services.gatekeeper.domain.state import REMEMBERED_SCANS, Progress, SettledScan, State, Tracked, key
from shared import ids
from shared.contracts import (
    HOUR_MS,
    Alert,
    Analysis,
    Decision,
    DecisionOutcome,
    ScanOpened,
    Side,
    Verdict,
)
from shared.gate import Appearance
from shared.settings import RuntimeSettings


@dataclass
class Settling:
    """A scan while it is being settled."""

    market: str
    scan: ScanOpened
    settings: RuntimeSettings
    settings_version: int
    now: int  #: wall clock
    inhibited: str  #: why it may open no signal; empty: it may
    analyses: Mapping[str, Analysis]
    signals: dict[str, Tracked]
    charts: dict[str, bytes]  #: by symbol
    cooldowns: dict[str, int]
    anomaly_forms: dict[str, int]
    verdicts: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    outcomes: dict[str, DecisionOutcome] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)

    @property
    def scan_id(self) -> int:
        return self.scan.scan_id


@dataclass(frozen=True)
class Settled:
    """The results of a scan."""

    state: State
    decisions: list[Decision]
    alerts: list[Alert]
    missing: tuple[str, ...]


def settle(
    state: State,
    scan: ScanOpened,
    analyses: Mapping[str, Analysis],
    settings: RuntimeSettings,
    *,
    market: str,
    settings_version: int,
    inhibited: str,
    now: int,
    entry_id: str = "",
    is_muted: Callable[[Alert], bool] = lambda _: False,
) -> Settled:
    """Return the results of *scan*; *analyses* are by symbol, in any order."""
    ordered = {symbol: analyses[symbol] for symbol in sorted(analyses)}
    progress = state.progress
    work = Settling(
        market=market,
        scan=scan,
        settings=settings,
        settings_version=settings_version,
        now=now,
        inhibited=inhibited,
        analyses=ordered,
        signals=dict(state.signals),
        charts={**state.charts, **{symbol: one.chart for symbol, one in ordered.items() if one.chart}},
        cooldowns=dict(progress.cooldowns),
        anomaly_forms=dict(progress.anomaly_forms),
    )
    for symbol, analysis in ordered.items():
        limits = settings.thresholds_for(symbol)
        work.verdicts[symbol] = gates.judge(analysis, limits, progress.appearances.get(symbol))
    _update_open_signals(work)
    _open(work, is_muted)
    anomaly_scans = _alert_anomalies(work, progress)
    missing = tuple(sorted({*scan.symbols, *scan.missing} - set(ordered)))
    settled = SettledScan(scan_id=scan.scan_id, entry_id=entry_id, missing=missing)
    after = _progress(work, progress, anomaly_scans, settled)
    decisions = [_decision(work, analysis) for analysis in ordered.values()]
    followed = {tracked.signal.symbol for tracked in work.signals.values()}
    charts = {symbol: chart for symbol, chart in work.charts.items() if symbol in followed}
    state = msgspec.structs.replace(state, progress=after, signals=work.signals, charts=charts)
    return Settled(state, decisions, work.alerts, missing)


def _update_open_signals(work: Settling) -> None:
    """Apply the closed bars and the verdicts to the open signals, and end those that they end."""
    rules = work.settings.lifecycle
    for name in sorted(work.signals):
        tracked = work.signals[name]
        symbol = tracked.signal.symbol
        analysis = work.analyses.get(symbol)
        tracked, end = lifecycle.on_bar(tracked, analysis, work.scan_id)
        if end is None:
            qualified = not work.inhibited and gates.passed(work.verdicts.get(symbol, ()))
            limits = work.settings.thresholds_for(symbol)
            tracked, end = lifecycle.on_analysis(
                tracked, analysis, work.scan_id, qualified=qualified, limits=limits, rules=rules
            )
        work.signals[name] = tracked
        if end is not None:
            end = lifecycle.with_chart(end, work.charts.get(symbol, b""))
            work.alerts.append(lifecycle.alert(tracked, end, at=work.scan_id, scan_id=work.scan_id, now=work.now))
            del work.signals[name]
            work.cooldowns[name] = work.scan_id + int(rules.cooldown_hours * HOUR_MS)


def _open(work: Settling, is_muted: Callable[[Alert], bool]) -> None:
    """Open a signal for every analysis that qualifies, grouped where the whole market moves."""
    opening: dict[Side, list[Opening]] = {"long": [], "short": []}
    for symbol, analysis in work.analyses.items():
        outcome = _refusal(work, analysis)
        if not outcome and analysis.levels is not None:
            opening[analysis.side].append(Opening(work.market, analysis, analysis.levels, work.verdicts[symbol]))
        else:
            work.outcomes[symbol] = outcome or "no levels"
    for side, openings in opening.items():
        _alert_side(work, side, grouping.rank(openings), is_muted)


def _refusal(work: Settling, analysis: Analysis) -> DecisionOutcome | None:
    """Return why *analysis* opens no signal, None when it does."""
    name = key(analysis.symbol, analysis.side)
    if analysis.problem:
        return "not analysed"
    if not gates.passed(work.verdicts[analysis.symbol]):
        return "rejected"
    if work.inhibited:
        return "inhibited"
    if name in work.signals:
        return "already open"
    if work.cooldowns.get(name, 0) > work.scan_id:
        return "cooldown"
    levels = analysis.levels
    sound = levels is not None and lifecycle.is_sound(analysis.side, levels.entry, levels.stop, levels.target)
    return None if sound else "no levels"


def _alert_side(work: Settling, side: Side, ranked: list[Opening], is_muted: Callable[[Alert], bool]) -> None:
    """Alert the new signals of one side, one by one or as a group; a muted one stays out of the group."""
    single = {opening.symbol: opening.alert(now=work.now) for opening in ranked}
    muted = {symbol for symbol, alert in single.items() if is_muted(alert)}
    audible = [opening for opening in ranked if opening.symbol not in muted]
    group = None
    if len(audible) >= work.settings.lifecycle.group_size:
        group = grouping.alert(work.market, side, work.scan_id, audible, now=work.now)
        work.alerts.append(group)
    for opening in ranked:
        symbol = opening.symbol
        alert = single[symbol] if group is None or symbol in muted else group
        if alert is not group:
            work.alerts.append(alert)
        work.signals[key(symbol, side)] = opening.tracked(alert.alert_id)
        work.outcomes[symbol] = "grouped" if alert is group else "muted" if symbol in muted else "alerted"


def _alert_anomalies(work: Settling, progress: Progress) -> tuple[int, ...]:
    """Append the anomaly alerts; return the scans of those of the last hour, one entry each."""
    recent = tuple(scan for scan in progress.anomaly_scans if scan > work.scan_id - HOUR_MS)
    if work.inhibited:
        return recent
    rules = work.settings.anomaly
    chosen = anomalies.choose(work.analyses.values(), work.cooldowns, recent, work.scan_id, rules)
    for analysis in chosen:
        post = anomalies.alert(work.market, analysis, now=work.now, last_form=work.anomaly_forms.get(analysis.symbol))
        work.anomaly_forms[analysis.symbol] = anomalies.form_of(post.alert_id, work.anomaly_forms.get(analysis.symbol))
        work.alerts.append(post)
        work.cooldowns[f"anomaly:{analysis.symbol}"] = work.scan_id + int(rules.cooldown_hours * HOUR_MS)
    return (*recent, *(work.scan_id for _ in chosen))


def _progress(work: Settling, before: Progress, anomaly_scans: tuple[int, ...], settled: SettledScan) -> Progress:
    degraded = bool(work.scan.degraded)
    return Progress(
        settled_scan=work.scan_id,
        recent=(*before.recent, settled)[-REMEMBERED_SCANS:],
        appearances={} if degraded else _appearances(work, before),
        cooldowns={name: until for name, until in work.cooldowns.items() if until > work.scan_id},
        anomaly_scans=anomaly_scans,
        inhibited_by=work.inhibited,
        inhibited_since=before.inhibited_since if before.inhibited_by else work.scan_id * bool(work.inhibited),
        anomaly_forms=work.anomaly_forms,
    )


def _appearances(work: Settling, before: Progress) -> dict[str, Appearance]:
    """Return the streaks after this scan, by symbol; a symbol that did not appear in it has none."""
    return {
        symbol: Appearance.after(before.appearances.get(symbol), analysis.side, work.scan_id)
        for symbol, analysis in work.analyses.items()
        if gates.appeared(work.verdicts[symbol])
    }


def _decision(work: Settling, analysis: Analysis) -> Decision:
    verdicts, outcome = work.verdicts[analysis.symbol], work.outcomes[analysis.symbol]
    opened = outcome in ("alerted", "grouped", "muted")
    return decision(
        work.market,
        analysis,
        verdicts,
        outcome,
        settings_version=work.settings_version,
        signal=ids.signal_id(work.market, analysis.symbol, analysis.side, work.scan_id) if opened else "",
    )


def decision(
    market: str,
    analysis: Analysis,
    verdicts: tuple[Verdict, ...],
    outcome: DecisionOutcome,
    *,
    settings_version: int,
    signal: str = "",
) -> Decision:
    """Return the decision on *analysis*."""
    return Decision(
        decision_id=ids.decision_id(market, analysis.symbol, analysis.scan_id),
        analysis=analysis,
        verdicts=verdicts,
        appeared=gates.appeared(verdicts),
        passed=gates.passed(verdicts),
        outcome=outcome,
        settings_version=settings_version,
        signal_id=signal,
    )
