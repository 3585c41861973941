"""Routing: which alert goes to which destination, and the mutes that hold it back there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

from shared.contracts import Alert, GroupBody, Mute, SignalBody
from shared.mutes import Subject, is_quiet, local, mutes_of, within
from shared.settings import Route, RuntimeSettings

Hold = Literal["", "muted", "quiet hours", "held", "destination muted"]


@dataclass(frozen=True)
class Traits:
    """The traits of an alert that a route can filter by; None where the alert lacks one."""

    score: float | None = None
    strength: int | None = None
    regimes: tuple[str, ...] = ()
    weak: bool = False
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedDelivery:
    """One alert on its way to one destination."""

    destination: str
    hold: Hold = ""  #: why it is not sent now; empty: send it


def traits(alert: Alert) -> Traits:
    """Return the traits of *alert*; a group has those of its best member."""
    match alert.body:
        case SignalBody(analysis=analysis):
            weak = analysis.levels is None or analysis.levels.weak
            return Traits(analysis.score, analysis.strength, (analysis.regime,), weak, (alert.symbol,))
        case GroupBody(members=members) if members:
            return Traits(
                max(member.score for member in members),
                max(member.strength for member in members),
                tuple({member.regime for member in members}),
                all(member.weak for member in members),
                tuple(member.symbol for member in members),
            )
    return Traits(symbols=(alert.symbol,) if alert.symbol else ())


def subject_of(alert: Alert) -> Subject:
    return Subject(alert.kind, alert.side, traits(alert).symbols)


def matches(route: Route, alert: Alert, found: Traits, now: datetime) -> bool:  # noqa: PLR0911 - one a condition
    """Return whether *route* matches *alert*; a condition on a trait that the alert lacks is ignored."""
    if route.kinds and alert.kind not in route.kinds:
        return False
    patterns = [pattern.upper() for pattern in route.symbols]
    if patterns and not any(fnmatchcase(name, pattern) for name in found.symbols for pattern in patterns):
        return False
    if route.side is not None and alert.side not in (None, route.side):
        return False
    if found.score is not None and found.score < route.min_score:
        return False
    if found.strength is not None and found.strength < route.min_strength:
        return False
    if route.regimes and found.regimes and not set(route.regimes) & set(found.regimes):
        return False
    if found.weak and not route.weak:
        return False
    return route.between is None or within(route.between, now)


def hold_of(subject: Subject, name: str, settings: RuntimeSettings, mutes: Sequence[Mute], now_ms: int) -> Hold:
    """Return what holds back an alert about *subject* at destination *name* now."""
    if mutes_of(subject, mutes, now_ms, destination=name):
        return "muted"
    now = local(settings.presentation.timezone, now_ms)
    both = settings.quiet_hours, settings.destinations[name].quiet_hours
    return "quiet hours" if any(is_quiet(hours, subject.kind, now) for hours in both) else ""


def destinations(alert: Alert, settings: RuntimeSettings, now: datetime) -> list[str]:
    """Return each matching destination once, in the routes' order."""
    if alert.destinations:
        return [name for name in dict.fromkeys(alert.destinations) if name in settings.destinations]
    found = traits(alert)
    return list(
        dict.fromkeys(
            name for route in settings.routes if matches(route, alert, found, now) for name in route.destinations
        )
    )


def plan(
    alert: Alert,
    settings: RuntimeSettings,
    mutes: Sequence[Mute],
    now_ms: int,
    *,
    suspended: Collection[str] = (),
    delivered: Collection[str] = (),
) -> list[PlannedDelivery]:
    """Return the planned deliveries of *alert*, without those *delivered* already."""
    names = destinations(alert, settings, local(settings.presentation.timezone, now_ms))
    if alert.kind == "system" and not alert.destinations:
        names = [name for name in names if name not in suspended] or _anywhere(settings, suspended)
    return [
        PlannedDelivery(name, _hold(alert, name, settings, mutes, now_ms))
        for name in names
        if f"{alert.alert_id}:{name}" not in delivered
    ]


def _anywhere(settings: RuntimeSettings, suspended: Collection[str]) -> list[str]:
    """Return every destination that works, so that a system alert without a route still arrives."""
    return [name for name in settings.destinations if name not in suspended]


def _hold(alert: Alert, name: str, settings: RuntimeSettings, mutes: Sequence[Mute], now_ms: int) -> Hold:
    if alert.destinations:  # a digest names its destination and is never held back
        return ""
    if settings.destinations[name].muted:
        return "destination muted"
    return hold_of(subject_of(alert), name, settings, mutes, now_ms) or ("held" if alert.held_by else "")
