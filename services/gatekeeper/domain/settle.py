"""Settle one scan as a whole: judge every symbol, move the open signals on, open new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from services.gatekeeper.domain import anomalies, gates, grouping, lifecycle
from services.gatekeeper.domain.gates.verdict import Appearance
from services.gatekeeper.domain.opening import Opening
from services.gatekeeper.domain.state import REMEMBERED_SCANS, Progress, SettledScan, State, Tracked, key
from shared.contracts import (
    SCAN_MS,
    Alert,
    Analysis,
    Decision,
    ScanOpened,
    Side,
    Verdict,
    signal_id,
)
from shared.settings import RuntimeSettings

HOUR_MS = 3_600_000


@dataclass
class Settling:
    """A scan while it is being settled."""

    scan: ScanOpened
    settings: RuntimeSettings
    settings_version: int
    now: int  #: wall clock
    inhibited: str  #: why no signal may come of it
    analyses: Mapping[str, Analysis]
    signals: dict[str, Tracked]
    charts: dict[str, bytes]  #: what is known of the open signals' bars
    cooldowns: dict[str, int]
    verdicts: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)

    @property
    def scan_id(self) -> int:
        return self.scan.scan_id


@dataclass(frozen=True)
class Settled:
    """What came of a scan."""

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
    settings_version: int,
    inhibited: str,
    now: int,
    entry_id: str = "",
    is_muted: Callable[[Alert], bool] = lambda _: False,
) -> Settled:
    """Return what comes of *scan*, whose analyses are *analyses* by symbol, in whatever order."""
    ordered = {symbol: analyses[symbol] for symbol in sorted(analyses)}
    progress = state.progress
    work = Settling(
        scan=scan,
        settings=settings,
        settings_version=settings_version,
        now=now,
        inhibited=inhibited,
        analyses=ordered,
        signals=dict(state.signals),
        charts={**state.charts, **{symbol: one.chart for symbol, one in ordered.items() if one.chart}},
        cooldowns=dict(progress.cooldowns),
    )
    for symbol, analysis in ordered.items():
        limits = settings.thresholds_for(symbol)
        work.verdicts[symbol] = gates.judge(analysis, limits, progress.appearances.get(symbol))
    _move_on(work)
    _open(work, is_muted)
    told = _tell_anomalies(work, progress)
    missing = tuple(sorted({*scan.symbols, *scan.missing} - set(ordered)))
    after = _progress(work, progress, told, SettledScan(scan_id=scan.scan_id, entry_id=entry_id, missing=missing))
    decisions = [_decision(work, analysis) for analysis in ordered.values()]
    followed = {tracked.signal.symbol for tracked in work.signals.values()}
    charts = {symbol: chart for symbol, chart in work.charts.items() if symbol in followed}
    state = msgspec.structs.replace(state, progress=after, signals=work.signals, charts=charts)
    return Settled(state, decisions, work.alerts, missing)


def passed(verdicts: tuple[Verdict, ...]) -> bool:
    """Return whether all seven gates passed."""
    return bool(verdicts) and all(verdict.passed for verdict in verdicts)


def _move_on(work: Settling) -> None:
    """Let the closed bars and the judgements decide what becomes of the open signals."""
    rules = work.settings.lifecycle
    for name in sorted(work.signals):
        tracked = work.signals[name]
        symbol = tracked.signal.symbol
        analysis = work.analyses.get(symbol)
        tracked, end = lifecycle.on_bar(tracked, analysis, work.scan_id)
        if end is None:
            qualified = not work.inhibited and passed(work.verdicts.get(symbol, ()))
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
    """Open a signal for every analysis that may have one, grouped where the whole market moves."""
    opening: dict[Side, list[Opening]] = {"long": [], "short": []}
    for symbol, analysis in work.analyses.items():
        outcome = _refusal(work, analysis)
        if not outcome and analysis.levels is not None:
            opening[analysis.side].append(Opening(analysis, analysis.levels, work.verdicts[symbol]))
        else:
            work.outcomes[symbol] = outcome or "no levels"
    for side, openings in opening.items():
        _alert_side(work, side, grouping.rank(openings), is_muted)


def _refusal(work: Settling, analysis: Analysis) -> str:
    """Return why *analysis* opens no signal, empty when it does."""
    name = key(analysis.symbol, analysis.side)
    if analysis.problem:
        return "not analysed"
    if not passed(work.verdicts[analysis.symbol]):
        return "rejected"
    if work.inhibited:
        return "inhibited"
    if name in work.signals:
        return "already open"
    if work.cooldowns.get(name, 0) > work.scan_id:
        return "cooldown"
    levels = analysis.levels
    sound = levels is not None and lifecycle.is_sound(analysis.side, levels.entry, levels.stop, levels.target)
    return "" if sound else "no levels"


def _alert_side(work: Settling, side: Side, ranked: list[Opening], is_muted: Callable[[Alert], bool]) -> None:
    """Tell the new signals of one side, one by one or as a group; a muted one stays out of the group."""
    single = {opening.symbol: opening.alert(now=work.now) for opening in ranked}
    muted = {symbol for symbol, alert in single.items() if is_muted(alert)}
    audible = [opening for opening in ranked if opening.symbol not in muted]
    group = None
    if len(audible) >= work.settings.lifecycle.group_size:
        group = grouping.alert(side, work.scan_id, audible, now=work.now)
        work.alerts.append(group)
    for opening in ranked:
        symbol = opening.symbol
        told = single[symbol] if group is None or symbol in muted else group
        if told is not group:
            work.alerts.append(told)
        work.signals[key(symbol, side)] = opening.tracked(told.alert_id)
        work.outcomes[symbol] = "grouped" if told is group else "muted" if symbol in muted else "alerted"


def _tell_anomalies(work: Settling, progress: Progress) -> tuple[int, ...]:
    """Append the posts and return the scans of the last hour in which one was told."""
    recent = tuple(scan for scan in progress.anomaly_scans if scan > work.scan_id - HOUR_MS)
    if work.inhibited:
        return recent
    rules = work.settings.anomaly
    chosen = anomalies.choose(work.analyses.values(), work.cooldowns, recent, work.scan_id, rules)
    for analysis in chosen:
        work.alerts.append(anomalies.alert(analysis, now=work.now))
        work.cooldowns[f"anomaly:{analysis.symbol}"] = work.scan_id + int(rules.cooldown_hours * HOUR_MS)
    return (*recent, *(work.scan_id for _ in chosen))


def _progress(work: Settling, before: Progress, told: tuple[int, ...], settled: SettledScan) -> Progress:
    degraded = bool(work.scan.degraded)
    return Progress(
        settled_scan=work.scan_id,
        recent=(*before.recent, settled)[-REMEMBERED_SCANS:],
        appearances={} if degraded else _appearances(work, before),
        cooldowns={name: until for name, until in work.cooldowns.items() if until > work.scan_id},
        anomaly_scans=told,
        inhibited_by=work.inhibited,
        inhibited_since=before.inhibited_since if before.inhibited_by else work.scan_id * bool(work.inhibited),
    )


def _appearances(work: Settling, before: Progress) -> dict[str, Appearance]:
    """Return the rows after this scan; whoever did not appear in it has none."""
    rows: dict[str, Appearance] = {}
    for symbol, analysis in work.analyses.items():
        if not gates.appeared(work.verdicts[symbol]):
            continue
        earlier = before.appearances.get(symbol)
        goes_on = earlier is not None and earlier.side == analysis.side and earlier.scan_id == work.scan_id - SCAN_MS
        length = earlier.length + 1 if earlier is not None and goes_on else 1
        rows[symbol] = Appearance(side=analysis.side, scan_id=work.scan_id, length=length)
    return rows


def _decision(work: Settling, analysis: Analysis) -> Decision:
    verdicts, outcome = work.verdicts[analysis.symbol], work.outcomes[analysis.symbol]
    opened = outcome in ("alerted", "grouped", "muted")
    return decision(
        analysis,
        verdicts,
        outcome,
        settings_version=work.settings_version,
        signal=signal_id(analysis.symbol, analysis.side, work.scan_id) if opened else "",
    )


def decision(
    analysis: Analysis, verdicts: tuple[Verdict, ...], outcome: str, *, settings_version: int, signal: str = ""
) -> Decision:
    """Return the record of what was judged of *analysis*."""
    return Decision(
        decision_id=f"{analysis.symbol}:{analysis.scan_id}",
        analysis=analysis,
        verdicts=verdicts,
        appeared=gates.appeared(verdicts),
        passed=passed(verdicts),
        outcome=outcome,
        settings_version=settings_version,
        signal_id=signal,
    )
