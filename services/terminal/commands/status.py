"""`status`: the state of each running service, what it waits for, and remarks for the user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from services.terminal.output.alert_feed import exchange_time

WELL: Final = ""
ODD: Final = "yellow"
BAD: Final = "bold red"
SOON_DAYS: Final = 14  #: a disk that is full sooner is remarked on


def lines(status: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return what `/api/status` answers as lines, each with its style."""
    yield f"sevengate {status['version']}, {status['market']}: {_scan(status['last_scan'])}", WELL
    for name, service in status["services"].items():
        waiting, since = service["waiting_for"], service["seconds_since_message"]
        sent = "nothing sent yet" if since is None else f"last message {_age(since)} ago"
        doing = f"waits for {waiting}" if waiting else sent
        yield f"{name:12} {doing}", BAD if waiting else ODD if since is None else WELL
        for remark in service["remarks"]:
            yield f"{'':12} {remark}", ODD
    database = status["database"]
    yield f"{'database':12} {'ok' if database['ok'] else database['reason'] or 'away'}", WELL if database["ok"] else BAD
    yield f"{'bus':12} {'ok' if status['streams'] is not None else 'away'}", WELL if status["streams"] else BAD
    yield from storage(status["storage"])
    yield from archive(status["archive"])
    if lost := status["recorder"]["lost"]:
        yield f"{'recorder':12} {lost} messages were dropped before they could be stored", ODD


def storage(held: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the line about the stores' sizes, their growth a day, and how long the disk will last."""
    parts = [
        f"{name} {held[key] / 1e9:.2f} GB{_growth(held[f'{key}_a_day'])}"
        for name, key in (("database", "database_bytes"), ("archive", "archive_bytes"), ("bus", "bus_bytes"))
        if held[key] is not None and (held[key] or name != "archive")
    ]
    days = held["full_in_days"]
    parts.append(f"{held['disk_free'] / 1e9:.1f} GB of the disk are free{_until_full(days)}")
    yield f"{'storage':12} {', '.join(parts)}", ODD if days is not None and days < SOON_DAYS else WELL


def archive(held: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Return the line about the archived months, and one for each that cannot be read; none without an archive."""
    if held is None:
        return
    if held["months"]:
        span = f"{held['first']} to {held['last']}" if held["months"] > 1 else held["first"]
        months = f"{held['months']} month{'s' if held['months'] > 1 else ''}"
        yield f"{'archive':12} {months} ({span}), {held['rows']:,} decisions", WELL
    for problem in held["problems"]:
        yield f"{'archive':12} {problem}", BAD


def _growth(a_day: float | None) -> str:
    return "" if a_day is None else f" ({a_day / 1e6:+,.0f} MB a day)"


def _until_full(days: float | None) -> str:
    return "" if days is None else f", which is enough for {days:,.0f} days at this pace"


def _scan(scan: dict[str, Any] | None) -> str:
    return "no scan has settled yet" if scan is None else f"last scan {exchange_time(scan['scan_id'])}"


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
