"""Which alert goes where, and what holds it back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from services.notifier.cli import sample_alerts as samples
from services.notifier.router import split
from services.notifier.routing import PlannedDelivery, plan
from shared.channels.telegram import TelegramDestination
from shared.contracts import Alert, Mute, SystemBody
from shared.settings import RuntimeSettings, explain

NOON = samples.SCAN  #: 12:00 UTC
HOUSE = {"channel": "telegram", "chat_id": "1"}


def settings(*routes: dict[str, Any], **more: Any) -> RuntimeSettings:
    """Return settings with two destinations, a and b."""
    destinations = more.pop("destinations", {"a": HOUSE, "b": HOUSE})
    return RuntimeSettings.model_validate({"destinations": destinations, "routes": list(routes), **more})


def names(alert: Alert, *routes: dict[str, Any]) -> list[str]:
    return [stop.destination for stop in plan(alert, settings(*routes), (), NOON)]


CONDITIONS = [
    ({"kinds": ["lifecycle"]}, False),
    ({"kinds": ["signal", "group"]}, True),
    ({"symbols": ["SOL*"]}, True),
    ({"symbols": ["sol?sdt"]}, True),
    ({"symbols": ["BTCUSDT", "ETH?SDT"]}, False),
    ({"side": "short"}, False),
    ({"side": "long"}, True),
    ({"min_score": 78.4}, True),
    ({"min_score": 78.5}, False),
    ({"min_strength": 4}, True),
    ({"min_strength": 5}, False),
    ({"regimes": ["RANGING"]}, False),
    ({"regimes": ["RANGING", "TRENDING"]}, True),
    ({"weak": False}, True),
    ({"between": {"start": "12:00", "end": "13:00"}}, True),
    ({"between": {"start": "11:00", "end": "12:00"}}, False),
    ({"between": {"start": "22:00", "end": "12:01"}}, True),
]


@pytest.mark.parametrize(("condition", "matches"), CONDITIONS)
def test_each_condition_of_a_route_decides(condition: dict[str, Any], matches: bool) -> None:
    """The sample signal is long, scores 78.4, strength 4, trending, at noon."""
    assert bool(names(samples.signal(), {"destinations": ["a"], **condition})) is matches


def test_weak_signals_can_be_left_out() -> None:
    """A route with `weak: false` drops a signal without a worthwhile target."""
    alert = samples.signal()
    analysis = msgspec.structs.replace(alert.body.analysis, levels=None)  # type: ignore[union-attr]
    weak = msgspec.structs.replace(alert, body=msgspec.structs.replace(alert.body, analysis=analysis))
    assert names(weak, {"destinations": ["a"], "weak": False}) == []
    assert names(weak, {"destinations": ["a"]}) == ["a"]


def test_each_destination_is_told_once() -> None:
    """Two routes to one destination make one delivery."""
    assert names(samples.signal(), {"destinations": ["b", "a"]}, {"destinations": ["a"]}) == ["b", "a"]


def test_scores_do_not_keep_other_kinds_away() -> None:
    """A condition on what an alert lacks does not count against it."""
    assert names(samples.price(), {"destinations": ["a"], "min_score": 90, "min_strength": 5}) == ["a"]
    assert names(samples.group(), {"destinations": ["a"], "symbols": ["币安*"]}) == ["a"]


def test_a_word_about_sevengate_avoids_suspended_destinations() -> None:
    """It goes elsewhere, even where no route leads."""
    chosen = settings({"destinations": ["a"]})
    assert [stop.destination for stop in plan(samples.system(), chosen, (), NOON, suspended={"a"})] == ["b"]


def test_what_was_delivered_is_left_out() -> None:
    """Postgres' word counts, per destination."""
    alert = samples.signal()
    chosen = settings({"destinations": ["a", "b"]})
    assert [stop.destination for stop in plan(alert, chosen, (), NOON, delivered={f"{alert.alert_id}:a"})] == ["b"]


def test_a_mute_matches_by_what_it_names() -> None:
    """Symbol and destination both have to match; one that has ended does not count."""
    chosen = settings({"destinations": ["a", "b"]})
    mutes = (
        Mute(mute_id="1", until=NOON + 5, symbol="SOLUSDT", destination="b"),
        Mute(mute_id="2", until=NOON, symbol="SOLUSDT"),
        Mute(mute_id="3", until=NOON + 9, symbol="BTCUSDT"),
    )
    assert plan(samples.signal(), chosen, mutes, NOON) == [PlannedDelivery("a"), PlannedDelivery("b", "muted")]


def at(text: str) -> int:
    """Return a UTC time in ms."""
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1_000)


@pytest.mark.parametrize(
    ("now", "quiet"),
    [
        ("2026-03-28 21:59", False),  # 22:59 in Berlin, winter
        ("2026-03-28 22:00", True),
        ("2026-03-29 01:30", True),  # half an hour after the clocks went on
        ("2026-03-29 04:59", True),
        ("2026-03-29 05:00", False),  # 07:00, summer
        ("2026-10-25 05:59", True),  # the clocks went back
        ("2026-10-25 06:00", False),
    ],
)
def test_quiet_hours_follow_the_clocks_of_the_zone(now: str, quiet: bool) -> None:
    """From 23:00 to 07:00 on the clock, over midnight and the change to and from summer time."""
    hours = {"start": "23:00", "end": "07:00", "kinds": ["signal"]}
    chosen = settings(
        {"destinations": ["a"]},
        destinations={"a": {**HOUSE, "quiet_hours": hours}},
        presentation={"timezone": "Europe/Berlin"},
    )
    assert plan(samples.signal(), chosen, (), at(now)) == [PlannedDelivery("a", "quiet hours" if quiet else "")]
    assert plan(samples.price(), chosen, (), at(now)) == [PlannedDelivery("a")]


def test_quiet_hours_of_no_length_silence_nothing() -> None:
    """A start that is the end makes no day of silence that no digest would ever end."""
    chosen = settings({"destinations": ["a"]}, quiet_hours={"start": "08:00", "end": "08:00"})
    assert plan(samples.signal(), chosen, (), NOON) == [PlannedDelivery("a")]


def test_a_muted_destination_hears_nothing() -> None:
    """Its alerts are not kept for a digest."""
    chosen = settings({"destinations": ["a"]}, destinations={"a": {**HOUSE, "muted": True}})
    stops = plan(samples.signal(), chosen, (), NOON)
    assert stops == [PlannedDelivery("a", "destination muted")]
    outcome = split(samples.signal(), stops, chosen)
    assert (outcome.send, outcome.hold, outcome.reports[0].reason) == ((), (), "destination muted")


def test_a_digest_goes_to_its_own_destination_through_every_hold() -> None:
    """A digest is never held back."""
    body = SystemBody(code="digest", headline="While it was quiet: 2 alerts", lines=())
    digest = msgspec.structs.replace(samples.system(), body=body, destinations=("b",))
    chosen = settings({"destinations": ["a", "b"]})
    assert plan(digest, chosen, (Mute(mute_id="m", until=NOON + 5),), NOON) == [PlannedDelivery("b")]


def test_what_yaml_makes_of_numbers_is_what_was_meant() -> None:
    """A chat's id without quotes is a number, and 23:00 is YAML's 1380."""
    made = settings(
        {"destinations": ["a"]},
        destinations={"a": {"channel": "telegram", "chat_id": -1001234567890}},
        quiet_hours={"start": 1_380, "end": "07:00"},
    )
    chat = made.destinations["a"]
    assert isinstance(chat, TelegramDestination)
    assert chat.chat_id == "-1001234567890"
    assert made.quiet_hours is not None
    assert made.quiet_hours.start == "23:00"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"quiet_hours": {"start": "8:00", "end": "25:00"}}, "'8:00' is not a time of day such as 08:00"),
        ({"presentation": {"daily_summary": 1_440}}, "daily_summary"),
        ({"destinations": {"a": {"channel": "telegram", "chat_id": "me"}}}, "'me' is not a chat's id"),
        ({"routes": [{"destinations": []}]}, "routes.0.destinations: has to have at least 1"),
        ({"destinations": {"a": {"channel": "email", "host": "h", "sender": "me", "to": ["a@b"]}}}, "not an address"),
    ],
)
def test_a_mistake_is_told_in_words(value: dict[str, Any], said: str) -> None:
    """They say what is expected rather than a pattern."""
    with pytest.raises(ValidationError) as caught:
        RuntimeSettings.model_validate(value)
    assert said in "\n".join(explain(caught.value))


def test_a_route_to_nowhere_is_refused_by_its_place() -> None:
    """Every such name is reported; config.yaml's lines are found by the place."""
    with pytest.raises(ValidationError) as caught:
        settings({"destinations": ["a"]}, {"destinations": ["phnoe", "b", "huose"]})
    assert explain(caught.value) == [
        "routes.1.destinations.0: there is no destination 'phnoe'",
        "routes.1.destinations.2: there is no destination 'huose'",
    ]
