"""Mutes and quiet hours: the same rules for all destinations and for a single one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from shared.config.sections import QuietHours
from shared.contracts import AlertKind, Mute, Side


class Subject(msgspec.Struct, frozen=True):
    """The properties of an alert that mutes and quiet hours look at."""

    kind: AlertKind
    side: Side | None
    symbols: tuple[str, ...]  #: a group's members; empty for an alert about no coin


def mutes_of(subject: Subject, mutes: Iterable[Mute], now_ms: int, *, destination: str = "") -> list[Mute]:
    """Return the *mutes* that hold *subject* back at *now_ms*, wall clock: general ones and those of *destination*."""
    return [
        mute
        for mute in mutes
        if now_ms < mute.until
        and mute.destination in ("", destination)
        and (not mute.symbol or set(subject.symbols) == {mute.symbol})
        and mute.side in (None, subject.side)
        and mute.kind in (None, subject.kind)
    ]


def is_quiet(hours: QuietHours | None, kind: AlertKind, now: datetime) -> bool:
    """Return whether *now*, local time, is in quiet hours for alerts of *kind*; equal ends: never."""
    if hours is None or hours.start == hours.end or (hours.kinds and kind not in hours.kinds):
        return False
    return within(hours, now)


def within(hours: QuietHours, now: datetime) -> bool:
    """Return whether *now*, local time, is in *hours*, ``start`` included, ``end`` not; equal ends: all day."""
    minute = f"{now:%H:%M}"
    if hours.start <= hours.end:
        return hours.start <= minute < hours.end or hours.start == hours.end
    return minute >= hours.start or minute < hours.end


def local(timezone: str, now_ms: int) -> datetime:
    """Return *now_ms* as local time of *timezone*; UTC where the name is unknown."""
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    return datetime.fromtimestamp(now_ms / 1_000, zone)
