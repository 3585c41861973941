"""Mutes and quiet hours, and what they match."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.gatekeeper import handler
from services.gatekeeper.domain import inhibition, silence
from services.gatekeeper.domain.state import Held, State
from services.gatekeeper.handler import Outcome, World
from shared.contracts import Alert, Mute, SystemBody
from shared.sections import QuietHours
from shared.settings import RuntimeSettings
from tests.unit.gatekeeper.facts import SCAN, STEP, opened


def wall(clock: str) -> int:
    """Return a winter day's wall time in UTC as ms."""
    hour, minute = map(int, clock.split(":"))
    return int(datetime(2026, 1, 15, hour, minute, tzinfo=UTC).timestamp() * 1_000)


def alert(**more: Any) -> Alert:
    """Return an alert; its body does not matter here."""
    usual: dict[str, Any] = {"alert_id": "a", "kind": "signal", "symbol": "AAAUSDT", "side": "long"}
    body = SystemBody(code="test", headline="")
    return Alert(**{**usual, **more}, body=body, occurred_at=0, created_at=0)


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
    """Empty fields match everything; one for a destination is left to the notifier; the end is exclusive."""
    made = Mute(mute_id="m", until=100, **mute)
    assert silence.mutes_match(made, alert(), 99) == holds
    assert not silence.mutes_match(made, alert(), 100)


@pytest.mark.parametrize(
    ("start", "end", "zone", "clock", "quiet"),
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
def test_quiet_hours_in_the_persons_zone(start: str, end: str, zone: str, clock: str, quiet: bool) -> None:
    """They may go over midnight, and they are those of the person's zone."""
    hours = QuietHours(start=start, end=end)
    assert silence.is_quiet(hours, "signal", zone, wall(clock)) == quiet


def test_quiet_hours_can_name_kinds() -> None:
    """What is not named is told."""
    hours = QuietHours(start="00:00", end="23:59", kinds=("anomaly",))
    assert silence.is_quiet(hours, "anomaly", "UTC", wall("12:00"))
    assert not silence.is_quiet(hours, "signal", "UTC", wall("12:00"))


def test_the_digest_is_bounded_and_counts_the_rest() -> None:
    """However much was held, the digest names some and counts all."""
    held = Held()
    for number in range(300):
        held = silence.hold(held, alert(alert_id=f"a{number}", held_by="mute gone"))
    left, told, more = silence.due(held, (), RuntimeSettings(), 0)
    digest = silence.digest(told, more, occurred_at=0, now=0)
    assert left == Held()
    assert isinstance(digest.body, SystemBody)
    assert digest.body.headline.startswith("300 alerts")
    assert digest.body.lines[-1] == "and 260 more"


def test_what_quiet_hours_hold_is_told_in_one_digest_when_they_end() -> None:
    """Until then nothing, afterwards once; what a mute holds beside it waits for its own end."""
    rules = RuntimeSettings(quiet_hours=QuietHours(start="22:00", end="07:00"))
    muted = Mute(mute_id="m", until=wall("09:00"), symbol="BBBUSDT")
    held = Held()
    for number, symbol in enumerate(("AAAUSDT", "AAAUSDT", "BBBUSDT")):
        one = alert(alert_id=f"a{number}", symbol=symbol)
        reason = silence.held_by(one, (muted,), rules, wall("06:00"))
        held = silence.hold(held, msgspec.structs.replace(one, held_by=reason))
    state, digests = State(held=held), []
    for clock in ("06:00", "06:59", "07:00", "08:00", "09:00", "10:00"):
        outcome = handler.tell_digest(state, World(rules, wall(clock), (muted,)))
        state = outcome.state
        digests += [(clock, message.body.headline) for _, message in outcome.outputs]  # type: ignore[union-attr]
    assert digests == [("07:00", "2 alerts held back meanwhile"), ("09:00", "1 alert held back meanwhile")]


def test_a_mute_that_ends_in_the_night_is_told_in_the_morning() -> None:
    """The digest of what it held waits for the quiet hours as well; of two mutes the later end counts."""
    rules = RuntimeSettings(quiet_hours=QuietHours(start="22:00", end="07:00"))
    mutes = tuple(Mute(mute_id=name, until=wall(end)) for name, end in (("first", "01:00"), ("last", "02:00")))
    assert silence.held_by(alert(), mutes, rules, wall("00:30")) == "mute last"
    state, told = State(held=silence.hold(Held(), alert(held_by="mute last"))), []
    for clock in ("01:30", "02:30", "07:00", "08:00"):
        outcome = handler.tell_digest(state, World(rules, wall(clock), mutes))
        state = outcome.state
        told += [clock] * len(outcome.outputs)
    assert told == ["07:00"]


@given(
    some.lists(some.tuples(some.integers(0, 59), some.sampled_from(["AAAUSDT", "BBBUSDT"])), max_size=20),
    some.lists(some.tuples(some.integers(1, 90), some.sampled_from(["", "AAAUSDT"])), max_size=4),
    some.booleans(),
)
def test_whatever_is_held_back_is_told_exactly_once_and_never_while_it_is_held(
    raised: list[tuple[int, str]], muted: list[tuple[int, str]], quiet: bool
) -> None:
    """Over two hours of mutes that overlap and quiet hours among them."""
    rules = RuntimeSettings(quiet_hours=QuietHours(start="12:20", end="12:40") if quiet else None)
    start, held, lines = wall("12:00"), Held(), list[str]()
    mutes = tuple(
        Mute(mute_id=str(number), until=start + 60_000 * minutes, symbol=symbol)
        for number, (minutes, symbol) in enumerate(muted)
    )
    expected = []
    for minute in range(120):
        now = start + 60_000 * minute
        for number, (when, symbol) in enumerate(raised):
            one = alert(alert_id=str(number), symbol=symbol)
            if when == minute and (reason := silence.held_by(one, mutes, rules, now)):
                held = silence.hold(held, msgspec.structs.replace(one, held_by=reason))
                expected.append(one.alert_id)
        held, told, left_out = silence.due(held, mutes, rules, now)
        lines += [entry.alert_id for entry in told]
        for entry in told:
            one = alert(alert_id=entry.alert_id, symbol=raised[int(entry.alert_id)][1])
            assert silence.held_by(one, mutes, rules, now) == ""
        assert left_out == 0
    assert sorted(lines) == sorted(expected)


def codes(outcome: Outcome) -> list[str]:
    """Return the codes of the system alerts of *outcome*."""
    bodies = [message.body for _, message in outcome.outputs if isinstance(message, Alert)]
    return [body.code for body in bodies if isinstance(body, SystemBody)]


@pytest.mark.parametrize("degraded", ["", "exchange gap"])
def test_one_incident_is_told_once_and_its_end_once(degraded: str) -> None:
    """However often one looks, and whether or not a degraded scan follows the silence: two alerts in all."""
    limit = inhibition.silent_limit_ms(1.0, 60.0)
    state, told = State(), list[str]()
    for now, heard in ((10_000, 1), (70_000, 1), (90_000, 1), (95_000, 94_000), (99_000, 94_000)):
        outcome = handler.watch_silence(state, World(RuntimeSettings(), now), heard_wall=heard, limit_ms=limit)
        state, told = outcome.state, told + codes(outcome)
    assert told == ["stale data"]
    for number, reason in enumerate((degraded, "", "")):
        scan = opened("AAAUSDT", scan_id=SCAN + number * STEP, degraded=reason)
        world = World(RuntimeSettings(), 100_000)
        outcome = handler.settle_scan(state, scan, {}, world, opened_wall=100_000)
        state, told = outcome.state, told + codes(outcome)
    assert told == ["stale data", "recovered"]
    assert inhibition.silent_limit_ms(0.0, 60.0) is None
