"""A mistake in a channel is `unknown` only when something has left: each channel, before and after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import aiosmtplib
import apprise
import pytest
import pytest_asyncio
import telegram
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from services.notifier.cli import sample_alerts as samples
from services.notifier.delivery.attempt import attempt
from services.notifier.delivery.context import DeliveryContext
from services.terminal.local.listening import free_port
from shared.bus import RedisBus
from shared.channels import discord, email
from shared.channels import telegram as telegram_channel
from shared.config.environment import Environment
from shared.contracts import DeliveryReport, SettingsChanged, Stream
from shared.destinations import CHANNELS
from shared.sending import http
from shared.settings import RuntimeSettings
from tests.integration.notifier.conftest import LOCAL, TOKEN, now_ms
from tests.integration.notifier.sinks import BotApi, Sink

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(600)]


class MistakeError(Exception):
    """Nothing that anybody expects."""


class Letters:
    """A mail server that takes everything."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return "250 OK"


@pytest_asyncio.fixture
async def destinations(sink: Sink, bot_api: BotApi) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """A destination of each channel, all on the loopback."""
    server = Controller(Letters(), hostname="127.0.0.1", port=free_port())
    server.start()
    yield {
        "email": {
            "channel": "email", "host": "127.0.0.1", "port": server.port, "security": "none", "allow": LOCAL,
            "sender": "a@example.org", "to": ["b@example.org"],
        },
        "telegram": {"channel": "telegram", "chat_id": "42"},
        "apprise": {"channel": "apprise", "url": f"json://127.0.0.1:{sink.port}/", "allow": LOCAL},
        "webhook": {"channel": "webhook", "url": sink.url, "allow": LOCAL},
        "discord": {"channel": "discord", "url": sink.url, "allow": LOCAL},
    }  # fmt: skip
    await asyncio.to_thread(server.stop)


def before(monkeypatch: pytest.MonkeyPatch, channel: str) -> None:
    """Put a mistake where nothing has left yet."""

    def mistaken(*_: Any, **__: Any) -> Any:
        raise MistakeError

    place: tuple[Any, str] = {
        "email": (email, "message_of"), "telegram": (telegram_channel, "buttons_for"),
        "apprise": (apprise.Apprise, "add"), "webhook": (http, "post"), "discord": (discord, "payload"),
    }[channel]  # fmt: skip
    monkeypatch.setattr(*place, mistaken)


def after(monkeypatch: pytest.MonkeyPatch, channel: str) -> None:
    """Put a mistake behind the sending."""

    def failing(method: Callable[..., Any]) -> Callable[..., Any]:
        async def sent(*args: Any, **more: Any) -> Any:
            await method(*args, **more)
            raise MistakeError

        return sent

    if channel == "apprise":
        notify = apprise.Apprise.notify

        def notified(*args: Any, **more: Any) -> Any:
            notify(*args, **more)
            raise MistakeError

        monkeypatch.setattr(apprise.Apprise, "notify", notified)
        return
    place: tuple[Any, str] = {
        "email": (aiosmtplib.SMTP, "data"), "telegram": (telegram.Bot, "send_photo"),
        "webhook": (http, "_read"), "discord": (http, "_read"),
    }[channel]  # fmt: skip
    monkeypatch.setattr(*place, failing(getattr(*place)))


@pytest.mark.parametrize("channel", ["email", "telegram", "apprise", "webhook", "discord"])
@pytest.mark.parametrize(("mistake", "outcome"), [(before, "retrying"), (after, "unknown")])
async def test_only_what_may_have_arrived_is_unknown(
    fresh_valkey: str, destinations: dict[str, dict[str, Any]], bot_api: BotApi, monkeypatch: pytest.MonkeyPatch,
    *, channel: str, mistake: Callable[[pytest.MonkeyPatch, str], None], outcome: str,
) -> None:  # fmt: skip
    """An unforeseen exception before anything was sent is tried again; behind the sending it is left at that."""
    bus = RedisBus(fresh_valkey)
    value = RuntimeSettings.model_validate({"destinations": {"it": destinations[channel]}}).dump()
    await bus.publish_settings(SettingsChanged(version=1, value=value, at=now_ms()))
    environment = Environment(
        redis_url=fresh_valkey, telegram_api_url=bot_api.url, telegram_token=SecretStr(TOKEN)
    )  # fmt: skip
    context = DeliveryContext.of(environment)
    mistake(monkeypatch, channel)
    again = await attempt(context, samples.signal(created_at=now_ms()), "it")
    reports = [message for _, _, message in await bus.tail({Stream.DELIVERIES: "0-0"}, block_ms=1)]
    await context.bus.close()
    await bus.close()
    assert [(report.status, report.reason) for report in reports if isinstance(report, DeliveryReport)] == [
        (outcome, "channel failed")
    ]
    assert (again is not None) is (outcome == "retrying")


async def test_a_channel_that_does_not_tell_counts_as_sent(
    fresh_valkey: str, destinations: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel of one's own that reports nothing: the alert is not repeated."""
    bus = RedisBus(fresh_valkey)
    value = RuntimeSettings.model_validate({"destinations": {"it": destinations["webhook"]}}).dump()
    await bus.publish_settings(SettingsChanged(version=1, value=value, at=now_ms()))
    context = DeliveryContext.of(Environment(redis_url=fresh_valkey))
    own = {**CHANNELS, "webhook": replace(CHANNELS["webhook"], tells_departure=False)}
    monkeypatch.setattr("services.notifier.delivery.dispatch.CHANNELS", own)
    before(monkeypatch, "webhook")
    assert await attempt(context, samples.signal(created_at=now_ms()), "it") is None
    await context.bus.close()
    await bus.close()
