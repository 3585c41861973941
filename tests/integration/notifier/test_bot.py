"""The bot's every command and button: a Bot API server on one side, the real API with its stores on the other."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from shared.contracts import PriceTick, Stream
from tests.integration.api import facts
from tests.integration.notifier.conftest import TOKEN, Stage, real_api
from tests.integration.notifier.sinks import Received, refuse
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio, pytest.mark.timeout(600)]
HERE, GROUP, TOPIC, ELSEWHERE = 42, -100_777, 7, 666
HOSTILE = "<B>&XUSDT"
CONFIG = """
destinations:
  phone: {channel: telegram, chat_id: "42"}
  desk: {channel: telegram, chat_id: "-100777", topic_id: 7}
routes:
  - {destinations: [phone, desk]}
"""


class Talk:
    """A chat with the bot, and a look behind it into the API."""

    def __init__(self, stage: Stage, api: httpx.AsyncClient) -> None:
        self.stage, self.api = stage, api

    async def ask(self, text: str, chat_id: int = HERE, topic_id: int | None = None) -> Received:
        """Write *text* and return what the bot answers."""
        return await self._answer(lambda: self.stage.bot_api.say(text, chat_id, topic_id))

    async def press(self, data: str, chat_id: int = HERE, topic_id: int | None = None) -> Received:
        """Press a button and return what the bot answers."""
        return await self._answer(lambda: self.stage.bot_api.press(data, chat_id, topic_id))

    async def _answer(self, say: Callable[[], object]) -> Received:
        heard = len(self.stage.bot_api.received)
        say()
        await until(lambda: len(self.stage.bot_api.received) > heard)
        return self.stage.bot_api.received[heard]

    async def items(self, path: str) -> list[dict[str, Any]]:
        """Return what the API lists at *path*."""
        return list((await self.api.get(path)).json()["items"])


def words(answer: Received) -> str:
    """Return the answer's text, which has to be Telegram HTML."""
    assert answer.fields["parse_mode"] == "HTML"
    return answer.fields.get("text") or answer.fields["caption"]


@pytest_asyncio.fixture
async def talk(idle_stage: Stage, fresh_database: str, tmp_path: Path) -> AsyncIterator[Talk]:
    """The API with a recorded scan, one notifier, and a chat that is a destination."""
    stage = idle_stage
    async with real_api(stage, fresh_database, tmp_path, CONFIG) as api:
        await _record(stage)
        await _recorded(api)
        stage.start("services.notifier")
        await until(lambda: stage.bot_api.commands)
        yield Talk(stage, api)


async def _record(stage: Stage) -> None:
    await stage.bus.publish(Stream.SCANS, [facts.opened(), facts.settled(symbols=3, passed=1)])
    await stage.bus.publish(Stream.TICKS, [PriceTick(at=facts.SCAN, prices={"SOLUSDT": 100.0})])
    refused = [facts.decision("DOGEUSDT", score=50.0), facts.decision(HOSTILE, score=40.0)]
    await stage.bus.publish(Stream.DECISIONS, refused)
    await stage.bus.publish(Stream.DECISIONS_PASSED, [facts.decision("SOLUSDT", passed=True)])
    await stage.bus.publish(Stream.ALERTS, [facts.signal_alert("SOLUSDT"), facts.signal_alert(HOSTILE)])


async def _recorded(api: httpx.AsyncClient) -> None:
    """Wait until the API shows all of it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            signals, top = (await api.get("/api/signals")).json(), (await api.get("/api/coins")).json()
            status = (await api.get("/api/status")).json()
        except (httpx.HTTPError, ValueError):
            await asyncio.sleep(0.1)
            continue
        if len(signals.get("items", ())) == 2 and len(top["items"]) == 3 and status["last_scan"]:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the API did not record")


async def test_a_chat_that_writes_is_offered_to_the_set_up(talk: Talk) -> None:
    """The bot leaves word of who wrote, newest first, and whether it is a destination; only the bot asks Telegram."""
    await talk.ask("/start", ELSEWHERE)
    await talk.ask("/start", GROUP, TOPIC)
    found = (await talk.api.post("/api/setup/telegram")).json()
    assert (found["token"], found["username"], found["advice"]) == ("accepted", "seven_bot", "")
    chats = [(chat["chat_id"], chat["topic_id"], chat["kind"], chat["destination"]) for chat in found["chats"]]
    assert chats == [(str(GROUP), TOPIC, "supergroup", "desk"), (str(ELSEWHERE), None, "private", None)]
    assert not talk.stage.bot_api.conflicts
    assert TOKEN not in str(found)


async def test_what_the_bot_shows_is_what_the_api_knows(talk: Talk) -> None:
    """/help, /status, /top, /signals and /settings; markup in a name is inert."""
    help_ = words(await talk.ask("/help"))
    commands = talk.stage.bot_api.commands
    assert commands[0] == "start"
    assert set(commands) == {"start", *(line[1:].split(":")[0] for line in help_.splitlines())}
    status = words(await talk.ask("/status"))
    assert "3 coins, 1 passed" in status
    assert "database: ok" in status
    top = words(await talk.ask("/top 2")).splitlines()
    assert top[1:] == ["1. ▲ <b>SOLUSDT</b> 72 ▰▰▰▱▱ ✅", "2. ▲ <b>DOGEUSDT</b> 50 ▰▰▰▱▱ 6/7"]
    assert "<b>&lt;B&gt;&amp;XUSDT</b> 40" in words(await talk.ask("/top"))
    signals = words(await talk.ask("/signals"))
    assert "<b>2 open signals</b>" in signals
    assert "<b>SOLUSDT</b> from 100.5, stop 98, target 106" in signals
    assert "<b>&lt;B&gt;&amp;XUSDT</b>" in signals
    settings = words(await talk.ask("/settings"))
    assert "score: 65.0" in settings
    assert "squeeze_intervals: 15m, 1h" in settings
    assert "<b>phone</b> quiet hours: none" in settings
    assert TOKEN not in settings


async def test_why_and_chart_explain_one_coin(talk: Talk) -> None:
    """The seven gates in words, and the card of the newest scan as a picture; by command and by button."""
    why = words(await talk.ask("/why doge"))
    assert "<b>▲ DOGEUSDT long: rejected</b>" in why
    assert "❌ persistence 1.00 against 1.00: not in the scan before" in why
    assert why.count("✅") == 6
    assert f"nothing is known of {'&lt;B&gt;USDT'}" in words(await talk.ask("/why <b>"))
    assert words(await talk.ask("/why")) == "/why SYMBOL"
    for chart in (await talk.ask("/chart SOL"), await talk.press("chart SOLUSDT")):
        assert "<b>SOLUSDT</b> score 72, alerted" in words(chart)
        assert Image.open(io.BytesIO(chart.files["photo"])).width == 1280
    pressed = talk.stage.bot_api.press(f"why {HOSTILE}", HERE)
    await until(lambda: pressed in talk.stage.bot_api.answered)
    await until(lambda: "&lt;B&gt;&amp;XUSDT long" in words(talk.stage.bot_api.received[-1]))


async def test_price_alerts_are_made_listed_and_removed(talk: Talk) -> None:
    """What was asked for stands in the API until it is removed; a price that is none is refused in words."""
    made = words(await talk.ask("/alert SOL above 100,000.5"))
    (alert,) = await talk.items("/api/price-alerts")
    assert (alert["symbol"], alert["condition"], alert["value"]) == ("SOLUSDT", "above", 100_000.5)
    assert f"/alerts remove {alert['price_alert_id']}" in made
    assert f"<code>{alert['price_alert_id']}</code>" in words(await talk.ask("/alerts"))
    for wrong in ("nan", "-1", "1e9", "<i>"):
        assert "is not a price" in words(await talk.ask(f"/alert SOL below {wrong}"))
    assert "has to be more than 0" in words(await talk.ask("/alert SOL below 0"))
    assert words(await talk.ask("/alert SOL sideways 5")) == "/alert SYMBOL above|below|crosses PRICE"
    assert words(await talk.ask(f"/alerts remove {alert['price_alert_id']}")) == "Removed."
    assert "<b>0 price alerts</b>" in words(await talk.ask("/alerts"))
    assert "no such price alert" in words(await talk.ask("/alerts remove it"))


async def test_mutes_and_quiet_hours_are_this_chats_alone(talk: Talk) -> None:
    """/mute, the button, /unmute and /quiet change the destinations that are this chat, and no other."""
    assert words(await talk.ask("/mute sol 2h")) == "<b>SOLUSDT</b> is muted here for 2h."
    assert "for 4h" in words(await talk.press("mute DOGEUSDT", GROUP, TOPIC))
    mutes = {item["symbol"]: item for item in await talk.items("/api/mutes")}
    assert {symbol: item["destination"] for symbol, item in mutes.items()} == {"SOLUSDT": "phone", "DOGEUSDT": "desk"}
    hours = (mutes["DOGEUSDT"]["until"] - mutes["SOLUSDT"]["until"]) / 3_600_000
    assert 1.9 < hours < 2.1
    assert "muted: SOLUSDT until" in words(await talk.ask("/settings"))
    assert words(await talk.ask("/unmute DOGE")) == "0 mutes ended."
    assert words(await talk.ask("/unmute")) == "1 mute ended."
    assert "is not a time" in words(await talk.ask("/mute sol soon"))
    assert "from 22:00 to 07:00 (UTC)" in words(await talk.ask("/quiet 22:00-07:00"))
    shown = (await talk.api.get("/api/config")).json()["value"]["destinations"]
    assert shown["phone"]["quiet_hours"] == {"start": "22:00", "end": "07:00", "kinds": []}
    assert shown["desk"]["quiet_hours"] is None
    assert words(await talk.ask("/quiet 30m")) == "Quiet here for 30m; a digest follows."
    assert words(await talk.ask("/quiet off")) == "No quiet hours here."
    assert [item["destination"] for item in await talk.items("/api/mutes")] == ["desk"]


async def test_only_destinations_are_answered(talk: Talk) -> None:
    """A stranger learns his chat's id and nothing else, by command or button; a topic is answered in its topic."""
    assert "<code>42</code>. It is a destination" in words(await talk.ask("/start"))
    for text in ("/status", "/mute SOL 2h", "/alert SOL above 5"):
        talk.stage.bot_api.say(text, ELSEWHERE)
    pressed = talk.stage.bot_api.press("mute SOLUSDT", ELSEWHERE)
    stranger = await talk.ask("/start", ELSEWHERE)  # answered after everything before it
    assert stranger.fields["chat_id"] == str(ELSEWHERE)
    assert "<code>666</code>. It is not a destination yet." in words(stranger)
    assert pressed in talk.stage.bot_api.answered
    assert await talk.items("/api/mutes") == await talk.items("/api/price-alerts") == []
    talk.stage.bot_api.say("/status@another_bot", HERE)
    inside = await talk.ask("/help@Seven_Bot", GROUP, TOPIC)
    assert (inside.fields["chat_id"], inside.fields["message_thread_id"]) == (str(GROUP), str(TOPIC))
    assert "Unknown: /&lt;x&gt;" in words(await talk.ask("/<x>"))


async def test_markup_that_telegram_refuses_is_said_plainly(talk: Talk) -> None:
    """The answer comes as plain text rather than not at all."""
    talk.stage.bot_api.answers.append(refuse(400, "Bad Request: can't parse entities"))
    await talk.ask("/signals")
    await until(lambda: len(talk.stage.bot_api.received) == 2)
    assert "parse_mode" not in talk.stage.bot_api.received[1].fields


async def test_an_answer_comes_when_telegram_has_room_for_it(talk: Talk) -> None:
    """FAULTS 30: the bot obeys `retry_after` as well, and answers then."""
    talk.stage.bot_api.answers.append(refuse(429, "Too Many Requests: retry after 2", retry_after=2))
    refused = await talk.ask("/help")
    await until(lambda: len(talk.stage.bot_api.received) == 2)
    assert talk.stage.bot_api.received[1].fields["text"] == refused.fields["text"]
    assert talk.stage.bot_api.received[1].at - refused.at >= 2.0


async def test_one_of_two_notifiers_polls_and_the_other_takes_over(talk: Talk) -> None:
    """The holder of the lease answers; after its kill the other does, and each command is answered once."""
    stage = talk.stage
    first = stage.processes[-1]
    stage.start("services.notifier")
    for _ in range(5):
        await talk.ask("/help")
    first.kill()
    assert "/status" in words(await talk.ask("/help"))
    assert [name for name, _ in stage.bot_api.calls] == ["sendMessage"] * 6
    assert stage.bot_api.conflicts == 0


async def test_another_program_with_the_token_is_one_sentence(
    idle_stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    """Telegram answers 409 to every poll; the log says it once, without a traceback."""
    stage = idle_stage
    stage.bot_api.other_poller = True
    stage.start("services.notifier")
    await stage.configure()
    async with asyncio.timeout(PATIENCE_S):
        while stage.bot_api.conflicts < 3:
            await asyncio.sleep(0.05)
    await asyncio.to_thread(stage.stop)
    logged = "".join(capfd.readouterr())
    assert logged.count("another program polls with this token") == 1
    assert "Traceback" not in logged
    assert "terminated by other getUpdates" not in logged
