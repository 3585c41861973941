"""Silence with memory: what mutes and quiet hours hold back is told afterwards in one digest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from services.gatekeeper.domain import system
from services.gatekeeper.domain.state import Held, HeldAlert
from shared.contracts import Alert, Mute
from shared.sections import QuietHours
from shared.settings import RuntimeSettings

QUIET: Final = "quiet hours"
KEPT: Final = 200  #: held alerts that the digest can name; the rest is counted
DIGEST_LINES: Final = 40


def mutes_match(mute: Mute, alert: Alert, now: int) -> bool:
    """Return whether *mute* holds *alert* back for everybody; one for a destination is the notifier's matter."""
    return (
        now < mute.until
        and not mute.destination
        and (not mute.symbol or mute.symbol == alert.symbol)
        and (mute.side is None or mute.side == alert.side)
        and (mute.kind is None or mute.kind == alert.kind)
    )


def is_quiet(hours: QuietHours | None, kind: str, timezone: str, now: int) -> bool:
    """Return whether *now* (wall clock, ms) lies within *hours* for alerts of *kind*."""
    if hours is None or (hours.kinds and kind not in hours.kinds) or hours.start == hours.end:
        return False
    time_of_day = datetime.fromtimestamp(now / 1_000, _zone(timezone)).strftime("%H:%M")
    if hours.start < hours.end:
        return hours.start <= time_of_day < hours.end
    return time_of_day >= hours.start or time_of_day < hours.end


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def held_by(alert: Alert, mutes: Iterable[Mute], settings: RuntimeSettings, now: int) -> str:
    """Return what holds *alert* back, empty when nothing does; of several mutes the one that ends last."""
    matching = [mute for mute in mutes if mutes_match(mute, alert, now)]
    if matching:
        return f"mute {max(matching, key=lambda mute: (mute.until, mute.mute_id)).mute_id}"
    quiet = is_quiet(settings.quiet_hours, alert.kind, settings.presentation.timezone, now)
    return QUIET if quiet else ""


def hold(held: Held, alert: Alert) -> Held:
    """Return *held* with *alert*, which is marked as held."""
    if len(held.alerts) >= KEPT:
        return msgspec.structs.replace(held, left_out=held.left_out + 1)
    entry = HeldAlert(alert_id=alert.alert_id, kind=alert.kind, held_by=alert.held_by, line=line(alert))
    return msgspec.structs.replace(held, alerts=(*held.alerts, entry))


def line(alert: Alert) -> str:
    """Return *alert* in one line, its time in UTC."""
    time = datetime.fromtimestamp(alert.occurred_at / 1_000, UTC).strftime("%H:%M UTC")
    what = alert.symbol or alert.kind
    side = f" {alert.side}" if alert.side else ""
    event = f" {alert.body.event}" if alert.kind == "lifecycle" and hasattr(alert.body, "event") else ""
    return f"{time} {alert.kind}: {what}{side}{event}"


def due(held: Held, mutes: Iterable[Mute], settings: RuntimeSettings, now: int) -> tuple[Held, list[HeldAlert], int]:
    """Return what stays held, what is to be told now, and how many more there were.

    An alert is due when its mute is over or was lifted, and never within the quiet hours of its kind.
    """
    standing = {f"mute {mute.mute_id}" for mute in mutes if now < mute.until}
    zone = settings.presentation.timezone
    stays = tuple(
        entry
        for entry in held.alerts
        if entry.held_by in standing or is_quiet(settings.quiet_hours, entry.kind, zone, now)
    )
    told = [entry for entry in held.alerts if entry not in stays]
    if not told:
        return held, [], 0
    return Held(alerts=stays), told, held.left_out


def digest(told: list[HeldAlert], left_out: int, *, occurred_at: int, now: int) -> Alert:
    """Return the system alert that tells what was held back; the last one held gives it its id."""
    count = len(told) + left_out
    rest = count - min(len(told), DIGEST_LINES)
    lines = [entry.line for entry in told[:DIGEST_LINES]]
    if rest:
        lines.append(f"and {rest} more")
    return system.alert(
        f"digest:{told[-1].alert_id}",
        "digest",
        f"{count} alert{'s' * (count != 1)} held back meanwhile",
        tuple(lines),
        occurred_at=occurred_at,
        now=now,
    )
