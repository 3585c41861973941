"""Two deliverers on the same queues: destinations see no difference."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from services.notifier.cli import sample_alerts as samples
from shared.contracts import Alert
from tests.integration.notifier.conftest import Stage, now_ms
from tests.integration.notifier.sinks import refuse, status

pytestmark = [pytest.mark.slow, pytest.mark.asyncio, pytest.mark.timeout(600)]
PHONE = {"channel": "telegram", "chat_id": "-42"}
COINS = ("SOLUSDT", "BTCUSDT", "ETHUSDT", "DOGEUSDT")


def stories() -> list[Alert]:
    """Return each coin's signal and, at once, its end."""
    at = now_ms()
    made = [(samples.signal(coin, created_at=at), samples.lifecycle("target", coin, created_at=at)) for coin in COINS]
    return [alert for story in made for alert in story]


async def both(stage: Stage, **destinations: dict[str, Any]) -> None:
    """Start a notifier and two deliverers, and wait until two workers serve each destination."""
    await stage.route(**destinations)
    for module in ("services.notifier", "services.notifier.deliverer", "services.notifier.deliverer"):
        stage.start(module)
    while True:
        serving = [await stage.bus.redis.scard(f"rq:workers:{stage.bus.market}.{name}") for name in destinations]
        if min(serving) == 2:
            return
        await asyncio.sleep(0.05)


async def test_a_chat_hears_each_story_once_in_its_order_and_at_its_pace(idle_stage: Stage) -> None:
    """Every end answers to its own signal's message, although that was refused at first; a message a second."""
    stage = idle_stage
    stage.bot_api.answers += [refuse(429, "Too Many Requests: retry after 1", retry_after=1)]
    await both(stage, phone=PHONE)
    await stage.tell(*stories())
    reports = await stage.until(lambda found: sum(report.status == "sent" for report in found) >= 8)
    assert sum(report.status == "sent" for report in reports) == 8
    accepted = {report.reference: report.alert_id for report in reports if report.status == "sent"}
    assert len(accepted) == 8
    ended = {report.alert_id: report.at for report in reports if report.status == "sent"}
    for coin in COINS:
        signal = samples.signal(coin).alert_id
        assert ended[signal] < ended[samples.lifecycle("target", coin).alert_id]
    for _, fields in stage.bot_api.calls:
        if "reply_parameters" in fields:
            parent = accepted[str(json.loads(fields["reply_parameters"])["message_id"])]
            assert parent.split(":")[-3] in fields["caption"]
    assert sum("reply_parameters" in fields for _, fields in stage.bot_api.calls) == len(COINS)
    granted = await stage.bus.redis.zrange(stage.bus.key(f"rate:minute:{PHONE['chat_id']}"), 0, -1, withscores=True)
    moments = sorted(at for _, at in granted)
    assert len(moments) == 9
    assert min(after - before for before, after in pairwise(moments)) >= 1_000


async def test_a_webhook_hears_each_story_once_and_in_order(idle_stage: Stage) -> None:
    """A signal that has to be tried again is still sent before its end."""
    stage = idle_stage
    await both(stage, house=stage.webhook())
    stage.sink.answers += [status(503), status(503)]
    told = stories()
    await stage.tell(*told)
    await stage.until(lambda found: sum(report.status == "sent" for report in found) >= len(told))
    taken = [json.loads(got.body)["alert_id"] for got in stage.sink.received[2:]]
    assert sorted(taken) == sorted(alert.alert_id for alert in told)
    for coin in COINS:
        assert taken.index(samples.signal(coin).alert_id) < taken.index(samples.lifecycle("target", coin).alert_id)


async def test_one_of_two_killed_in_a_burst_doubles_nothing(idle_stage: Stage) -> None:
    """Its jobs end unknown or are sent by the other; nothing arrives twice, and nothing is left."""
    stage = idle_stage
    await both(stage, house=stage.webhook(), shed=stage.webhook("/shed"))
    told = [samples.signal(f"C{number}USDT", created_at=now_ms()) for number in range(60)]
    await stage.tell(*told)
    while len(stage.sink.received) < 20:
        await asyncio.sleep(0.005)
    stage.processes[-1].kill()
    reports = await stage.until(lambda found: sum(report.status != "retrying" for report in found) >= 120)
    arrived = [(got.path, json.loads(got.body)["alert_id"]) for got in stage.sink.received]
    assert len(arrived) == len(set(arrived))
    sent = {(report.destination, report.alert_id) for report in reports if report.status == "sent"}
    unknown = {(report.destination, report.alert_id) for report in reports if report.status == "unknown"}
    assert len(sent | unknown) == 120
    assert len(unknown) <= 2  # one worker of each destination died
