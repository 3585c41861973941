"""What holds an alert back: mutes and quiet hours, by the same rules for everybody and for one destination."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from shared.contracts import AlertKind, Mute, Side
from shared.sections import QuietHours


class Subject(msgspec.Struct, frozen=True):
    """What mutes and quiet hours ask about an alert."""

    kind: AlertKind
    side: Side | None
    symbols: tuple[str, ...]  #: of a group its members; none of an alert about no coin


def mutes_of(subject: Subject, mutes: Iterable[Mute], now_ms: int, *, destination: str = "") -> list[Mute]:
    """Return those of *mutes* that silence *subject* at *now_ms*, wall clock: everybody's, and *destination*'s own."""
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
    """Return whether *now*, local time, lies in quiet hours for alerts of *kind*; equal ends: never."""
    if hours is None or hours.start == hours.end or (hours.kinds and kind not in hours.kinds):
        return False
    return within(hours, now)


def within(hours: QuietHours, now: datetime) -> bool:
    """Return whether *now*, local time, lies in *hours*; ``start`` counts, ``end`` does not; equal ends: all day."""
    minute = f"{now:%H:%M}"
    if hours.start <= hours.end:
        return hours.start <= minute < hours.end or hours.start == hours.end
    return minute >= hours.start or minute < hours.end


def local(timezone: str, now_ms: int) -> datetime:
    """Return the time on the clocks of *timezone*; UTC where nobody knows that name."""
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    return datetime.fromtimestamp(now_ms / 1_000, zone)
