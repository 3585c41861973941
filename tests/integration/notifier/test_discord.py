"""Discord's rate limits, as its answers state them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from services.notifier.cli import sample_alerts as samples
from services.notifier.delivery.rate_limits import RateLimiter
from services.notifier.rendering.text import text_of
from shared.bus import RedisBus
from shared.channels import discord
from shared.channels.discord import DiscordDestination
from shared.sending.channel import Outgoing
from shared.sending.results import Later
from shared.settings import RuntimeSettings
from tests.integration.notifier.conftest import LOCAL, Stage, now_ms
from tests.integration.notifier.sinks import Sink, deliver, status

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(600)]


@pytest_asyncio.fixture
async def rates(fresh_valkey: str) -> AsyncIterator[RateLimiter]:
    bus = RedisBus(fresh_valkey)
    yield RateLimiter(bus)
    await bus.close()


def room(sink: Sink, path: str = "/api/webhooks/1/token") -> DiscordDestination:
    return DiscordDestination.model_validate({"channel": "discord", "url": sink.url + path, "allow": LOCAL})


def outgoing() -> Outgoing:
    alert = samples.signal()
    return Outgoing(alert, "room", text_of(alert), RuntimeSettings(), card=lambda: None)


async def test_a_limit_of_one_webhook_holds_that_webhook(sink: Sink, rates: RateLimiter) -> None:
    """The body's `retry_after` counts, to the fraction of a second; another webhook may go on."""
    body = {"message": "You are being rate limited.", "retry_after": 2.5, "global": False}
    sink.answers.append(status(429, body, {"Retry-After": "3", "X-RateLimit-Scope": "shared"}))
    with pytest.raises(Later, match="http 429") as caught:
        await deliver(discord, outgoing(), room(sink), rates)
    assert caught.value.after == 2.5
    assert 2.0 < (await rates.held(discord.EVERYWHERE, discord.lane(room(sink))) or 0) <= 2.5
    assert await rates.held(discord.EVERYWHERE, discord.lane(room(sink, "/api/webhooks/2/x"))) is None


async def test_a_global_limit_holds_every_webhook(sink: Sink, rates: RateLimiter) -> None:
    """The flag stands in the body or in a header."""
    sink.answers.append(status(429, {"retry_after": 60, "global": True}))
    with pytest.raises(Later):
        await deliver(discord, outgoing(), room(sink), rates)
    assert (await rates.held(discord.EVERYWHERE) or 0) > 50
    sink.answers.append(status(429, {"retry_after": 90}, {"X-RateLimit-Global": "true"}))
    with pytest.raises(Later):
        await deliver(discord, outgoing(), room(sink), rates)
    assert (await rates.held(discord.EVERYWHERE) or 0) > 80


async def test_the_proxy_before_discord_speaks_in_a_header(sink: Sink, rates: RateLimiter) -> None:
    """Its 429 is a page without JSON."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, text="<html>", headers={"Retry-After": "40"})

    sink.answers.append(page)
    with pytest.raises(Later) as caught:
        await deliver(discord, outgoing(), room(sink), rates)
    assert caught.value.after == 40.0


async def test_a_used_up_bucket_is_left_alone_until_it_is_full(sink: Sink, rates: RateLimiter) -> None:
    """No 429 is asked for: `X-RateLimit-Remaining: 0` says when the next message may come."""
    left = {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset-After": "30"}
    used_up = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "30"}
    sink.answers += [status(200, {"id": "7"}, left), status(200, {"id": "8"}, used_up)]
    assert await deliver(discord, outgoing(), room(sink), rates) == "7"
    assert await rates.held(discord.lane(room(sink))) is None
    assert await deliver(discord, outgoing(), room(sink), rates) == "8"
    assert (await rates.held(discord.lane(room(sink))) or 0) > 25


@pytest.mark.slow
async def test_what_discord_says_is_obeyed_by_every_message(stage: Stage) -> None:
    """After a 429 neither the same alert nor the next one is sent before the time that it named."""
    stage.sink.answers.append(status(429, {"message": "slow", "retry_after": 3.0, "global": False}))
    await stage.route(room={"channel": "discord", "url": stage.sink.url, "allow": LOCAL})
    await stage.tell(*(samples.signal(f"C{number}USDT", created_at=now_ms()) for number in range(2)))
    reports = await stage.until(lambda found: sum(report.status == "sent" for report in found) == 2)
    assert sorted(report.status for report in reports) == ["retrying", "sent", "sent"]
    first, *later = (got.at for got in stage.sink.received)
    assert all(at - first >= 3.0 for at in later)
