"""Which alert goes to which destination, and what holds it back there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, Literal
from zoneinfo import ZoneInfo

from shared.contracts import Alert, GroupBody, Mute, SignalBody
from shared.settings import QuietHours, Route, RuntimeSettings

Hold = Literal["", "muted", "quiet hours", "held"]
FOREVER: Final = 2**53


@dataclass(frozen=True)
class Traits:
    """What a route can ask about an alert; None where the alert has no such thing."""

    score: float | None = None
    strength: int | None = None
    regimes: tuple[str, ...] = ()
    weak: bool = False
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stop:
    """One alert on its way to one destination."""

    destination: str
    hold: Hold = ""  #: why it is not sent now; empty: send it
    until: int = 0  #: wall clock when the hold ends, ms


def traits(alert: Alert) -> Traits:
    """Return what routes judge; a group is as good as its best member."""
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


def matches(route: Route, alert: Alert, found: Traits, now: datetime) -> bool:  # noqa: PLR0911 - one a condition
    """Return whether *route* wants *alert*; a condition on what the alert lacks does not count against it."""
    if route.kinds and alert.kind not in route.kinds:
        return False
    if route.symbols and not any(fnmatchcase(name, pattern) for name in found.symbols for pattern in route.symbols):
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


def within(hours: QuietHours, now: datetime) -> bool:
    """Return whether *now*, local time, lies in *hours*; ``start`` counts, ``end`` does not; equal ends: all day."""
    minute = f"{now:%H:%M}"
    if hours.start <= hours.end:
        return hours.start <= minute < hours.end or hours.start == hours.end
    return minute >= hours.start or minute < hours.end


def quiet_until(hours: QuietHours | None, alert: Alert, now: datetime) -> int:
    """Return when the quiet hours that hold *alert* end, wall clock ms; 0 when none do."""
    if hours is None or (hours.kinds and alert.kind not in hours.kinds) or not within(hours, now):
        return 0
    hour, minute = (int(part) for part in hours.end.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if end <= now:
        end += timedelta(days=1)
    return int(end.timestamp() * 1_000)


def muted_until(mutes: Sequence[Mute], alert: Alert, destination: str, now_ms: int) -> int:
    """Return when the last mute of *alert* at *destination* ends; 0 without one."""
    return max((mute.until for mute in mutes if mute.until > now_ms and _mutes(mute, alert, destination)), default=0)


def _mutes(mute: Mute, alert: Alert, destination: str) -> bool:
    symbols = traits(alert).symbols
    return (
        mute.destination in ("", destination)
        and (not mute.symbol or (bool(symbols) and set(symbols) <= {mute.symbol}))
        and mute.side in (None, alert.side)
        and mute.kind in (None, alert.kind)
    )


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
    parked: Collection[str] = (),
    delivered: Collection[str] = (),
) -> list[Stop]:
    """Return where *alert* goes, and what holds it back there; what was *delivered* already is left out."""
    now = datetime.fromtimestamp(now_ms / 1_000, ZoneInfo(settings.presentation.timezone))
    names = destinations(alert, settings, now)
    if alert.kind == "system" and not alert.destinations:
        names = [name for name in names if name not in parked] or _anywhere(settings, parked)
    return [
        _stop(alert, name, settings, mutes, now, now_ms)
        for name in names
        if f"{alert.alert_id}:{name}" not in delivered
    ]


def _anywhere(settings: RuntimeSettings, parked: Collection[str]) -> list[str]:
    """Return every destination that works: a word about Sevengate itself must reach somebody."""
    return [name for name in settings.destinations if name not in parked]


def _stop(
    alert: Alert, name: str, settings: RuntimeSettings, mutes: Sequence[Mute], now: datetime, now_ms: int
) -> Stop:
    if alert.destinations:  # a digest: what it tells was held back long enough
        return Stop(name)
    if settings.destinations[name].muted:
        return Stop(name, "muted", FOREVER)
    if until := muted_until(mutes, alert, name, now_ms):
        return Stop(name, "muted", until)
    quiet = max(
        quiet_until(hours, alert, now) for hours in (settings.quiet_hours, settings.destinations[name].quiet_hours)
    )
    if quiet:
        return Stop(name, "quiet hours", quiet)
    if alert.held_by:
        return Stop(name, "held", now_ms)
    return Stop(name)
