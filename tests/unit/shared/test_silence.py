"""Mutes and quiet hours: what they match, for everybody and at one destination."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.config.sections import QuietHours
from shared.contracts import Mute
from shared.mutes import Subject, is_quiet, local, mutes_of, within

LONG = Subject("signal", "long", ("AAAUSDT",))


def quiet(hours: QuietHours, clock: str, *, zone: str = "UTC", kind: Any = "signal") -> bool:
    """Return whether a winter day's UTC *clock* is quiet for *kind* where the clocks are those of *zone*."""
    at = datetime.fromisoformat(f"2026-01-15T{clock}").replace(tzinfo=UTC)
    return is_quiet(hours, kind, local(zone, int(at.timestamp() * 1_000)))


@pytest.mark.parametrize(
    ("mute", "holds"),
    [
        ({}, True),
        ({"symbol": "AAAUSDT"}, True),
        ({"symbol": "BBBUSDT"}, False),
        ({"side": "long"}, True),
        ({"side": "short"}, False),
        ({"kind": "signal"}, True),
        ({"kind": "price"}, False),
        ({"symbol": "AAAUSDT", "side": "short"}, False),
        ({"destination": "phone"}, False),
    ],
)
def test_a_mute_matches_what_it_names(mute: dict[str, Any], holds: bool) -> None:
    """Empty fields match everything; one for a destination holds there alone; the end is exclusive."""
    made = Mute(mute_id="m", until=100, **mute)
    assert mutes_of(LONG, [made], 99) == [made] * holds
    assert mutes_of(LONG, [made], 99, destination="phone") == [made] * (holds or "destination" in mute)
    assert mutes_of(LONG, [made], 100) == []


def test_a_mute_of_one_coin_does_not_hold_what_is_about_others_too() -> None:
    """A group of several coins and an alert about none are sent."""
    made = Mute(mute_id="m", until=100, symbol="AAAUSDT")
    assert mutes_of(Subject("group", "long", ("AAAUSDT", "BBBUSDT")), [made], 0) == []
    assert mutes_of(Subject("system", None, ()), [made], 0) == []


@pytest.mark.parametrize(
    ("start", "end", "zone", "clock", "expected"),
    [
        ("22:00", "07:00", "UTC", "23:30", True),
        ("22:00", "07:00", "UTC", "06:59", True),
        ("22:00", "07:00", "UTC", "07:00", False),
        ("12:00", "13:00", "UTC", "12:00", True),
        ("12:00", "13:00", "UTC", "13:00", False),
        ("22:00", "07:00", "Europe/Berlin", "21:15", True),
        ("22:00", "07:00", "Nowhere/Land", "21:15", False),
        ("08:00", "08:00", "UTC", "08:00", False),
    ],
)
def test_quiet_hours_in_the_persons_zone(start: str, end: str, zone: str, clock: str, expected: bool) -> None:
    """They may go over midnight, and they follow the user's zone."""
    assert quiet(QuietHours(start=start, end=end), clock, zone=zone) == expected


def test_quiet_hours_can_name_kinds() -> None:
    """Other kinds are sent."""
    hours = QuietHours(start="00:00", end="23:59", kinds=("anomaly",))
    assert quiet(hours, "12:00", kind="anomaly")
    assert not quiet(hours, "12:00", kind="signal")


def test_equal_ends_are_all_day_for_a_route_and_never_for_silence() -> None:
    """A route between 08:00 and 08:00 always leads on; silence of that length would never end."""
    hours = QuietHours(start="08:00", end="08:00")
    assert within(hours, local("UTC", 0))
    assert not is_quiet(hours, "signal", local("UTC", 0))
