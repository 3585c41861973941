"""System alerts when the exchange refuses or falls silent: one at the beginning, one at the end."""

from __future__ import annotations

import asyncio

import pytest

from shared.contracts import Alert, Stream, SystemBody
from tests.patience import PATIENCE_S

from .conftest import Feed
from .test_faults import FAST

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole processes, on whatever machine


async def codes(feed: Feed) -> list[str]:
    """Return what the alerts on the bus are about, in order."""
    alerts = [message for message in await feed.all(Stream.ALERTS) if isinstance(message, Alert)]
    assert len(alerts) == len({alert.alert_id for alert in alerts})
    return [alert.body.code for alert in alerts if isinstance(alert.body, SystemBody)]


async def alerts_are(feed: Feed, expected: list[str], seconds: float = PATIENCE_S) -> None:
    """Wait until the alerts are *expected*."""
    async with asyncio.timeout(seconds):
        while await codes(feed) != expected:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", ["403", "451", "418"])
async def test_an_exchange_that_refuses_from_the_start_is_told_and_left_alone(feed: Feed, name: str) -> None:
    """Without ever having had an answer: a few requests, one alert that says what to do, then silence."""
    await feed.status()
    async with feed.http.get(f"{feed.rest_url}/fapi/v1/ping"):
        pass  # a ban needs a client
    await feed.fault(name, None, 36_000)
    feed.start_fetcher()
    await alerts_are(feed, ["exchange refuses"])
    requests = sum((await feed.status())["requests"].values())
    await asyncio.sleep(3)
    assert sum((await feed.status())["requests"].values()) == requests
    assert requests <= 4
    assert await codes(feed) == ["exchange refuses"]


@pytest.mark.parametrize("simulator_arguments", [FAST])
async def test_a_refusal_that_is_renewed_is_one_alarm_and_its_end_is_told(feed: Feed) -> None:
    """Asked again every five minutes and refused again: one alert, and one when an answer comes."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault("403", None, 900)
    await alerts_are(feed, ["exchange refuses"])
    await alerts_are(feed, ["exchange refuses", "recovered"])


@pytest.mark.parametrize("simulator_arguments", [FAST])
async def test_streams_that_were_acknowledged_and_stay_silent_are_told(feed: Feed) -> None:
    """Subscribed, acknowledged, silent: an alert, and another one when data comes; the scans go on meanwhile."""
    await feed.fault("silent-subscription")
    feed.start_fetcher()
    await feed.scan()
    await alerts_are(feed, ["streams silent"])
    await feed.clear()
    await alerts_are(feed, ["streams silent", "recovered"])
