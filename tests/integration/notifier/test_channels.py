"""Each channel against a real sink: what is final, what is tried elsewhere, what never leaves this machine."""

from __future__ import annotations

import socket
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr, ValidationError

from services.notifier.bot.telegram_bot import application_of
from services.notifier.cli import sample_alerts as samples
from services.notifier.rendering.text import text_of
from services.notifier.rendering.webhook_payload import payload_of
from shared.channels import apprise, discord, email, telegram, webhook
from shared.channels.apprise import AppriseDestination
from shared.channels.discord import DiscordDestination
from shared.channels.email import EmailDestination
from shared.channels.telegram import TelegramDestination
from shared.channels.webhook import WebhookDestination
from shared.config.environment import Environment
from shared.contracts import Alert
from shared.network.proxies import ProxyError
from shared.sending import http, requests_guard
from shared.sending.channel import Outgoing
from shared.sending.results import Later, Rejected, Suspended
from shared.settings import RuntimeSettings, explain
from tests.integration.notifier.conftest import LOCAL, TOKEN, Stage, now_ms
from tests.integration.notifier.sinks import BotApi, Sink, deliver, refuse, status

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(600)]
LOOPBACK = ["127.0.0.0/8", "::1/128"]
PUBLIC = "93.184.216.34"


def outgoing(alert: Alert | None = None, seconds: float = 30.0) -> Outgoing:
    made = alert or samples.signal()
    text = text_of(made)
    settings = RuntimeSettings.model_validate({"delivery": {"timeout_seconds": seconds}})
    return Outgoing(made, "x", text, settings, card=lambda: None, payload=lambda: payload_of(made, text))


def hook(url: str, **more: Any) -> WebhookDestination:
    return WebhookDestination.model_validate({"channel": "webhook", "url": url, "allow": LOOPBACK, **more})


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name have *addresses*, in this order; an address is itself."""
    requests_guard._install()
    real = requests_guard.lookup

    def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host is None or isinstance(host, bytes) or host[0].isdigit() or ":" in host:
            return real(host, port, *args, **more)
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, int(port)))
            for one in addresses
        ]

    monkeypatch.setattr(requests_guard, "lookup", getaddrinfo)


@pytest.mark.parametrize(
    "description",
    [
        "Bad Request: TOPIC_CLOSED",
        "Bad Request: not enough rights to send text messages to the chat",
        "Bad Request: need administrator rights in the channel chat",
        "Bad Request: CHAT_WRITE_FORBIDDEN",
        "Bad Request: chat not found",
    ],
)
async def test_what_telegram_refuses_for_good_suspends(bot_api: BotApi, description: str) -> None:
    """No repetition opens a topic or gives a right."""
    bot_api.answers.append(refuse(400, description))
    environment = Environment(telegram_api_url=bot_api.url, telegram_token=SecretStr(TOKEN))
    phone = TelegramDestination(channel="telegram", chat_id="-5")
    with pytest.raises(Suspended, match="http 400"):
        await deliver(telegram, outgoing(), phone, environment=environment)
    bot_api.answers.append(refuse(400, "Bad Request: message is too long"))
    with pytest.raises(Rejected) as caught:
        await deliver(telegram, outgoing(), phone, environment=environment)
    assert type(caught.value) is Rejected


async def test_a_forum_without_a_thread_suspends_and_says_what_to_do(sink: Sink) -> None:
    """Discord's 220001 is a 400 that the webhook's address has to change for."""
    sink.answers.append(status(400, {"message": "Webhooks posted to forum channels must have …", "code": 220_001}))
    room = DiscordDestination.model_validate({"channel": "discord", "url": sink.url, "allow": LOOPBACK})
    with pytest.raises(Suspended, match="thread_id") as caught:
        await deliver(discord, outgoing(), room)
    assert caught.value.reason == "http 400"


@pytest.mark.slow
async def test_the_others_hear_of_both(stage: Stage) -> None:
    """A closed topic and a forum suspend their destinations, once; the third gets a notice for each."""
    stage.bot_api.answers.append(refuse(400, "Bad Request: TOPIC_CLOSED"))
    stage.sink.answers.append(status(400, {"code": 220_001}))
    forum = {"channel": "discord", "url": f"{stage.sink.url}/forum", "allow": LOCAL}
    house = await Sink().start()
    await stage.configure(
        destinations={
            "phone": {"channel": "telegram", "chat_id": "-5", "topic_id": 7},
            "room": forum,
            "house": stage.webhook(sink=house),
        },
        routes=[{"destinations": ["phone", "room"], "kinds": ["signal"]}],
        delivery={"timeout_seconds": 30},
    )
    await stage.tell(samples.signal(created_at=now_ms()))
    await stage.until(lambda found: sum(report.status == "sent" for report in found) == 2)
    await stage.tell(samples.signal("BTCUSDT", created_at=now_ms()))
    # a notice may meet the other one on its way to being suspended: only the signals' reports are looked at
    reports = await stage.until(
        lambda found: sum(r.reason == "suspended" for r in found if ":signal:" in r.alert_id) == 2
    )
    assert sorted(
        (r.destination, r.reason) for r in reports if ":signal:" in r.alert_id and r.status == "rejected"
    ) == [
        ("phone", "http 400"),
        ("phone", "suspended"),
        ("room", "http 400"),
        ("room", "suspended"),
    ]
    titles = sorted(got.fields["title"] for got in house.received)
    assert titles == [
        "⚠ Deliveries to phone are suspended: it rejects our messages",
        "⚠ Deliveries to room are suspended: it rejects our messages",
    ]
    await house.stop()


async def test_every_address_of_a_name_is_tried_until_one_answers(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one refuses the connection, so nothing was sent there."""
    names(monkeypatch, "::1", "127.0.0.3", "127.0.0.1")
    await deliver(webhook, outgoing(), hook(f"http://hooks.example.org:{sink.port}/x"))
    (got,) = sink.received
    assert got.headers["Host"] == f"hooks.example.org:{sink.port}"
    sink.answers.append(status(500))
    with pytest.raises(Later, match="http 500"):
        await deliver(webhook, outgoing(), hook(f"http://hooks.example.org:{sink.port}/x"))
    assert len(sink.received) == 2, "an answer is an answer: no other address is asked"
    await sink.stop()
    with pytest.raises(Later, match="no connection"):
        await deliver(webhook, outgoing(), hook(f"http://hooks.example.org:{sink.port}/x"))


async def test_a_header_that_cannot_be_sent_is_refused_when_saved() -> None:
    """What is wrong is said before the first alert, with the header's name."""
    with pytest.raises(ValidationError, match="header Title: only printable ASCII can be sent"):
        hook("https://example.org/", headers={"Title": "Señal ⚠️"})
    with pytest.raises(ValidationError, match="is not a header's name"):
        hook("https://example.org/", headers={"My Title": "x"})


async def test_an_error_before_anything_left_is_never_unknown(sink: Sink) -> None:
    """A header past the check, an encoding that fails: the sink got nothing, and the report says so."""
    with pytest.raises(Rejected, match="bad header"):
        await http.post(sink.url, LOCAL, limit=2.0, headers={"Title": "Señal ⚠️"}, content=b"x")
    with pytest.raises(Rejected, match="bad header"):
        await http.post(sink.url, LOCAL, limit=2.0, headers={"X": "a\r\nHost: eve"}, content=b"x")
    assert not sink.received


async def test_what_an_answer_says_is_not_repeated(sink: Sink) -> None:
    """An inside server's page is no part of a report: its status is."""
    sink.answers.append(status(500, {"password": "hunter2"}))
    with pytest.raises(Later) as caught:
        await deliver(webhook, outgoing(), hook(sink.url))
    assert (caught.value.reason, caught.value.detail) == ("http 500", "status 500")
    sink.answers.append(status(418, {"password": "hunter2"}))
    with pytest.raises(Rejected) as refused:
        await deliver(webhook, outgoing(), hook(sink.url))
    assert (refused.value.reason, refused.value.detail) == ("http 4xx", "status 418")


async def test_a_mail_server_obeys_the_address_rule() -> None:
    """Inside addresses are refused when saved, and when a name leads to one."""
    letter = {"channel": "email", "sender": "a@example.org", "to": ["b@example.org"], "security": "none"}
    with pytest.raises(ValidationError, match=r"host: 127\.0\.0\.1 is not public and not allowed"):
        EmailDestination.model_validate({**letter, "host": "127.0.0.1"})
    inside = EmailDestination.model_validate({**letter, "host": socket.gethostname()})
    with pytest.raises(Rejected, match="forbidden address"):
        await deliver(email, outgoing(), inside)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10**8 }}",
        "{{ 'a' * 10**9 }}",
        "{{ '%999999999d' % 1 }}",
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "{{ 9**(9**9) }}",
    ],
)
async def test_a_template_that_takes_too_much_is_stopped_before(sink: Sink, template: str) -> None:
    """Neither size nor time is found out afterwards; the next template is rendered as if nothing had been."""
    with pytest.raises(Rejected, match="template failed"):
        await deliver(webhook, outgoing(), hook(sink.url, template=template))
    assert not sink.received
    await deliver(webhook, outgoing(), hook(sink.url, template="{{ symbol }}", content_type="text/plain"))
    assert sink.received[0].body == b"SOLUSDT"


async def test_a_tiny_price_reaches_a_template_without_an_exponent(sink: Sink) -> None:
    """2.1413e-06 is no readable price."""
    alert = samples.lifecycle()
    body = replace_body(alert, entry=2.1413e-06, stop=2.1404e-06, price=2.1404e-06)
    template = "{{ levels.entry }} {{ levels.stop }}"
    await deliver(webhook, outgoing(body), hook(sink.url, template=template, content_type="text/plain"))
    assert sink.received[0].body == b"0.0000021413 0.0000021404"


def replace_body(alert: Alert, **changes: float) -> Alert:
    return msgspec.structs.replace(alert, body=msgspec.structs.replace(alert.body, **changes))


@pytest.mark.parametrize("name", ["a\nERROR forged", "a\x1b[31m", "", "x" * 65])
async def test_a_destinations_name_cannot_forge_a_line(name: str) -> None:
    """It stands in logs and messages as it is."""
    with pytest.raises(ValidationError) as caught:
        RuntimeSettings.model_validate({"destinations": {name: {"channel": "telegram", "chat_id": "1"}}})
    assert "printable characters" in "\n".join(explain(caught.value))


@pytest.fixture
def proxied(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Sink:
    """The sink as the environment's proxy; every name leads to a public address."""
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(variable, sink.url)
    for variable in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    names(monkeypatch, PUBLIC)
    return sink


async def test_webhooks_discord_and_apprise_go_through_the_proxy(proxied: Sink) -> None:
    """The proxy is asked for the address that was checked, under the name's Host."""
    await deliver(webhook, outgoing(), hook("http://hooks.example.org/x"))
    room = DiscordDestination.model_validate({"channel": "discord", "url": "http://discord.example.org/x"})
    await deliver(discord, outgoing(), room)
    other = AppriseDestination.model_validate({"channel": "apprise", "url": "json://apprise.example.org/x"})
    await deliver(apprise, outgoing(), other)
    assert [got.headers["Host"] for got in proxied.received] == [
        "hooks.example.org",
        "discord.example.org",
        "apprise.example.org",
    ]


async def test_an_inside_name_is_not_called_through_the_proxy_either(
    proxied: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule is about where it leads, not about who carries it there."""
    names(monkeypatch, "10.0.0.1")
    inside = WebhookDestination.model_validate({"channel": "webhook", "url": "http://inside.example.org/x"})
    with pytest.raises(Rejected, match="forbidden address"):
        await deliver(webhook, outgoing(), inside)
    other = AppriseDestination.model_validate({"channel": "apprise", "url": "json://inside.example.org/x"})
    with pytest.raises(Rejected, match="forbidden address"):
        await deliver(apprise, outgoing(), other)
    assert not proxied.received


async def test_the_bot_on_this_machine_is_polled_past_any_proxy(
    bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Bot API server of one's own is reached although the environment names a proxy of another kind."""
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    application = application_of(Environment(telegram_api_url=bot_api.url, telegram_token=SecretStr(TOKEN)))
    async with application:
        assert application.bot.username
    with pytest.raises(ProxyError, match="SOCKS"):
        application_of(Environment(telegram_api_url="https://api.telegram.org", telegram_token=SecretStr(TOKEN)))


async def test_telegram_goes_through_the_proxy_and_loopback_does_not(
    bot_api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Bot API behind the proxy is the look-alike; a Bot API server on this machine is asked directly."""
    monkeypatch.setenv("http_proxy", bot_api.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    phone = TelegramDestination(channel="telegram", chat_id="5")
    outside = Environment(telegram_api_url="http://telegram.example.org", telegram_token=SecretStr(TOKEN))
    assert await deliver(telegram, outgoing(), phone, environment=outside)
    assert bot_api.received[0].headers["Host"] == "telegram.example.org"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    here = Environment(telegram_api_url=bot_api.url, telegram_token=SecretStr("654321:ABC-other"))
    assert await deliver(telegram, outgoing(), phone, environment=here)
