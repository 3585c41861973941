"""Digest and daily summary."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.notifier import summary
from services.notifier.delivery.delivery_log import HeldAlert
from services.notifier.digest import LONGEST, digest_of, due
from services.notifier.routing import hold_of
from shared.contracts import Mute
from shared.mutes import Subject
from shared.settings import RuntimeSettings

BERLIN = ZoneInfo("Europe/Berlin")


NOON = 1_767_268_800_000  #: 1 January 2026, 12:00 UTC
HOUR = 3_600_000


def held(count: int, symbol: str = "SOLUSDT") -> dict[str, HeldAlert]:
    subject = Subject("signal", "long", (symbol,))
    return {f"{symbol}{number}": HeldAlert(f"{symbol} {number}", number, subject) for number in range(count)}


def rules(**more: Any) -> RuntimeSettings:
    return RuntimeSettings.model_validate({"destinations": {"phone": {"channel": "telegram", "chat_id": "1"}}, **more})


def test_what_was_held_is_due_when_its_own_hold_has_ended() -> None:
    """A mute of one coin for a month does not keep the others' digest back, and one that is lifted has ended."""
    quiet = rules(quiet_hours={"start": "22:00", "end": "13:00"})
    month = Mute(mute_id="m", until=NOON + 720 * HOUR, symbol="DOGEUSDT", destination="phone")
    both = held(2) | held(1, "DOGEUSDT")
    assert due(both, "phone", quiet, [month], NOON) == {}
    assert due(both, "phone", quiet, [month], NOON + HOUR) == held(2)
    assert due(both, "phone", quiet, [], NOON + HOUR) == both
    assert due(both, "phone", rules(), [], NOON) == both


@given(
    some.lists(some.tuples(some.integers(0, 59), some.sampled_from(["AAAUSDT", "BBBUSDT"])), max_size=20),
    some.lists(
        some.tuples(some.integers(1, 90), some.sampled_from(["", "AAAUSDT"]), some.sampled_from(["", "phone"])),
        max_size=4,
    ),
    some.booleans(),
)
def test_whatever_is_held_back_is_told_exactly_once_and_never_while_it_is_held(
    raised: list[tuple[int, str]], muted: list[tuple[int, str, str]], quiet: bool
) -> None:
    """Over two hours of mutes that overlap, for everybody and for one destination, and quiet hours among them."""
    chosen = rules(**({"quiet_hours": {"start": "12:20", "end": "12:40"}} if quiet else {}))
    mutes = [
        Mute(mute_id=str(number), until=NOON + 60_000 * minutes, symbol=symbol, destination=destination)
        for number, (minutes, symbol, destination) in enumerate(muted)
    ]
    waiting, expected, told = dict[str, HeldAlert](), list[str](), list[str]()
    for minute in range(120):
        now = NOON + 60_000 * minute
        for number, (when, symbol) in enumerate(raised):
            subject = Subject("signal", "long", (symbol,))
            if when == minute and hold_of(subject, "phone", chosen, mutes, now):
                waiting[str(number)] = HeldAlert(symbol, now, subject)
                expected.append(str(number))
        ended = due(waiting, "phone", chosen, mutes, now)
        assert not any(hold_of(entry.subject, "phone", chosen, mutes, now) for entry in ended.values())
        told += ended
        waiting = {name: entry for name, entry in waiting.items() if name not in ended}
    assert sorted(told) == sorted(expected)


def test_a_digest_goes_to_its_destination_alone_in_the_order_of_the_alerts() -> None:
    """The same held alerts give the same id, so a repetition is sent once."""
    entries = list(held(2).values())
    made, again = digest_of("binance-um", "phone", entries, 100), digest_of("binance-um", "phone", entries[::-1], 170)
    assert made.alert_id == again.alert_id
    assert made.destinations == ("phone",)
    assert again.body.lines == ("SOLUSDT 0", "SOLUSDT 1")  # type: ignore[union-attr]


def test_a_long_digest_says_how_much_is_left_out() -> None:
    """It fits one message."""
    made = digest_of("binance-um", "phone", held(LONGEST + 5).values(), 100)
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
    assert summary.due(at, datetime(2026, 3, 1, hour, minute, tzinfo=BERLIN)) == day


def test_a_summary_counts() -> None:
    """Signals by side and end, and the sum of their results."""
    signals: list[dict[str, Any]] = [
        {"side": "long", "status": "target", "result_r": 2.0},
        {"side": "short", "status": "stop", "result_r": -1.0},
        {"side": "long", "status": "open", "result_r": None},
    ]
    text = " ".join(summary.summary_of("binance-um", "2026-03-01", signals, 0).body.lines)  # type: ignore[union-attr]
    assert "3 signals: 2 long, 1 short" in text
    assert "+1.00 R" in text


@pytest.mark.parametrize(
    ("day", "at", "local"),
    [
        ("2026-03-29", "02:30", "03:30"),  # the clocks jump from 02:00 to 03:00
        ("2026-03-29", "01:59", "01:59"),
        ("2026-10-25", "02:30", "02:30"),  # 02:30 comes twice
        ("2026-06-01", "08:00", "08:00"),
    ],
)
def test_a_summary_is_due_once_a_day_whatever_the_clocks_do(day: str, at: str, local: str) -> None:
    """A minute that is jumped over comes later that day; one that comes twice counts once."""
    start = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=BERLIN).timestamp()
    minutes = [datetime.fromtimestamp(start + 60 * minute, BERLIN) for minute in range(24 * 60)]
    found = [now for now in minutes if summary.due(at, now) == day]
    assert len(found) == 10, "ten minutes in which a notifier that was down can still send it"
    assert f"{found[0]:%H:%M}" == local
    assert found[0].fold == 0
