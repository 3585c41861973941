"""The bot against a Bot API server and an API, both local."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web

from services.notifier import samples
from services.notifier.payload import plain
from tests.integration.notifier.conftest import LOCAL, Stage
from tests.integration.notifier.sinks import Sink

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]
HERE, ELSEWHERE = 42, 666


class FakeApi(Sink):
    """The API's answers that the bot asks for."""

    async def accept(self, request: web.Request) -> web.StreamResponse:
        match request.method, request.path:
            case "GET", "/api/explain/SOLUSDT":
                return web.json_response(explanation())
            case "GET", "/api/signals":
                row = {
                    "symbol": "<b>USDT",
                    "side": "long",
                    "entry": 1.0,
                    "stop": 0.9,
                    "target": 1.2,
                    "scan_id": samples.SCAN,
                }
                return web.json_response({"items": [row]})
            case "GET", "/api/mutes":
                return web.json_response({"items": [{"mute_id": "m1", "symbol": "SOLUSDT", "destination": "phone"}]})
            case "POST", "/api/price-alerts":
                body = await request.json()
                return web.json_response(body | {"price_alert_id": "p9"}, status=201)
            case "GET", _:
                return web.json_response({"detail": "nothing is known of it"}, status=404)
        return web.Response(status=204)


def explanation() -> dict[str, Any]:
    """Return `/api/explain` as the API shows it."""
    analysis = samples.analysis()
    found: dict[str, Any] = plain(analysis)
    columns = samples.chart()
    rows = memoryview(columns).cast("d", (6, len(columns) // 48)).tolist()
    names = ("open_time", "open", "high", "low", "close", "volume")
    return found | {
        "fmqs": 66.0,
        "outcome": "alerted",
        "gates": [plain(verdict) for verdict in samples.verdicts()],
        "chart": dict(zip(names, rows, strict=True)),
    }


async def heard(stage: Stage, count: int) -> list[dict[str, str]]:
    """Wait for *count* answers of the bot."""
    deadline = time.monotonic() + 60
    while len(stage.bot_api.calls) < count:
        assert time.monotonic() < deadline, stage.bot_api.calls
        await asyncio.sleep(0.05)
    return [fields for _, fields in stage.bot_api.calls]


async def test_the_bot_answers_its_chats_and_changes_through_the_api(idle_stage: Stage) -> None:
    """Commands and buttons of an allowed chat are answered; another chat only learns its id."""
    stage, api = idle_stage, FakeApi()
    await api.start()
    stage.environment |= {"SEVENGATE_API_URL": api.url, "SEVENGATE_API_KEY": "k" * 32}
    await stage.route(phone={"channel": "telegram", "chat_id": str(HERE)}, house=stage.webhook(allow=LOCAL))
    for text in (
        "/start",
        "/why sol",
        "/signals",
        "/alert BTC above 100000",
        "/mute SOL 2h",
        "/unmute SOL",
        "/chart sol",
    ):
        stage.bot_api.say(text, HERE)
    stage.bot_api.say("/status", ELSEWHERE)
    stage.bot_api.say("/start", ELSEWHERE)
    stage.bot_api.press("mute SOLUSDT", HERE)
    stage.bot_api.press("mute SOLUSDT", ELSEWHERE)
    stage.bot_api.say("/quiet 22:00-07:00", HERE)
    stage.start("services.notifier")
    answers = await heard(stage, 10)
    await asyncio.sleep(0.5)
    texts = [fields.get("text", fields.get("caption", "")) for fields in answers]
    assert [fields["chat_id"] for fields in answers].count(str(ELSEWHERE)) == 1
    assert "It is not a destination yet" in next(
        t for t, f in zip(texts, answers, strict=True) if f["chat_id"] == str(ELSEWHERE)
    )
    assert "▲ SOLUSDT long: alerted" in texts[1]
    assert "✅ score" in texts[1]
    assert "&lt;b&gt;USDT" in texts[2]
    assert [name for name, _ in stage.bot_api.calls].count("sendPhoto") == 1
    asked = [(got.path, got.fields) for got in api.received]
    assert ("/api/mutes", {"seconds": "7200", "destination": "phone", "symbol": "SOLUSDT"}) in asked
    assert ("/api/mutes", {"seconds": "14400", "destination": "phone", "symbol": "SOLUSDT"}) in asked
    assert "/api/mutes/m1" in [path for path, _ in asked]
    assert "/api/config" in [path for path, _ in asked]
    assert {got.headers["Authorization"] for got in api.received} == {"Bearer " + "k" * 32}
    assert "top" in stage.bot_api.commands
    await api.stop()
