"""What is told later, together."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.notifier.digest import LONGEST, digest_of
from services.notifier.summary import due, summary_of

BERLIN = ZoneInfo("Europe/Berlin")


def held(count: int, until: int = 100) -> dict[str, dict[str, Any]]:
    return {f"a{number}": {"line": f"line {number}", "until": until, "at": number} for number in range(count)}


def test_a_digest_waits_for_the_last_hold_and_goes_to_its_destination_alone() -> None:
    """The same held alerts give the same id, so a repetition is sent once."""
    assert digest_of("phone", {}, 50) is None
    assert digest_of("phone", held(2), 50) is None
    made, again = digest_of("phone", held(2), 100), digest_of("phone", held(2), 170)
    assert made is not None
    assert again is not None
    assert made.alert_id == again.alert_id
    assert made.destinations == ("phone",)
    assert made.body.lines == ("line 0", "line 1")  # type: ignore[union-attr]


def test_a_long_digest_says_how_much_is_left_out() -> None:
    """It fits one message."""
    made = digest_of("phone", held(LONGEST + 5), 100)
    assert made is not None
    assert made.body.lines[-1] == "… and 5 more"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("at", "now", "day"),
    [
        ("", "08:00", ""),
        ("08:00", "07:59", ""),
        ("08:00", "08:00", "2026-03-01"),
        ("08:00", "08:09", "2026-03-01"),
        ("08:00", "08:10", ""),
        ("23:59", "00:05", "2026-02-28"),
    ],
)
def test_a_summary_is_due_within_ten_minutes(at: str, now: str, day: str) -> None:
    """Without a time it is off."""
    hour, minute = (int(part) for part in now.split(":"))
    assert due(at, datetime(2026, 3, 1, hour, minute, tzinfo=BERLIN)) == day


def test_a_summary_counts() -> None:
    """Signals by side and end, and the sum of their results."""
    signals: list[dict[str, Any]] = [
        {"side": "long", "status": "target", "result_r": 2.0},
        {"side": "short", "status": "stop", "result_r": -1.0},
        {"side": "long", "status": "open", "result_r": None},
    ]
    text = " ".join(summary_of("2026-03-01", signals, 0).body.lines)  # type: ignore[union-attr]
    assert "3 signals: 2 long, 1 short" in text
    assert "+1.00 R" in text
