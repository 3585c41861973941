"""Apprise against a local receiver: what its yes and no become, whom it may call, and what it does not tell."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from unittest import mock

import pytest
from pydantic import ValidationError

from services.notifier.cli import sample_alerts as samples
from services.notifier.rendering.card import card_of
from services.notifier.rendering.text import text_of
from shared.channels import apprise as channel
from shared.channels.apprise import AppriseDestination
from shared.contracts import Alert
from shared.sending.channel import Outgoing
from shared.sending.results import Ambiguous, Later, NotDelivered, Rejected, Suspended
from shared.settings import RuntimeSettings
from tests.integration.notifier.conftest import LOCAL, Stage
from tests.integration.notifier.sinks import Answer, Sink, deliver, hang, status
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(600)]
SECRET = "verysecrettoken"


def outgoing() -> Outgoing:
    alert = samples.signal()
    settings = RuntimeSettings.model_validate({"delivery": {"timeout_seconds": 1.0}})
    return Outgoing(alert, "other", text_of(alert), settings, card=lambda: card_of(alert))


def other(sink: Sink, host: str = "127.0.0.1", allow: list[str] = LOCAL) -> AppriseDestination:
    return AppriseDestination.model_validate(
        {"channel": "apprise", "url": f"json://me:{SECRET}@{host}:{sink.port}/hook", "allow": allow}
    )


async def test_an_alert_arrives_with_its_card(sink: Sink) -> None:
    """Title, lines and the picture."""
    await deliver(channel, outgoing(), other(sink))
    body = json.loads(sink.received[0].body)
    assert body["title"] == "▲ LONG SOLUSDT"
    assert "Entry 142.00" in body["message"]
    assert body["attachments"][0]["mimetype"] == "image/png"


@pytest.mark.parametrize(
    ("answer", "outcome", "reason", "after"),
    [
        (status(500), Later, "http 500", None),
        (status(429, headers={"Retry-After": "7"}), Later, "http 429", 7.0),
        (status(401), Rejected, "http 401", None),
        (status(410), Suspended, "http 410", None),
        (status(302, headers={"Location": "http://169.254.169.254/"}), Rejected, "redirected", None),
        (hang(5), Ambiguous, "no answer in time", None),
    ],
)
async def test_a_no_is_told_apart(
    sink: Sink, answer: Answer, outcome: type[Exception], reason: str, after: float | None
) -> None:
    """What certainly was not taken is tried again or refused for good; what may have arrived is unknown."""
    sink.answers.append(answer)
    with pytest.raises(outcome) as caught:
        await deliver(channel, outgoing(), other(sink))
    assert type(caught.value) is outcome
    assert caught.value.reason == reason  # type: ignore[attr-defined]
    assert getattr(caught.value, "after", None) == after
    assert len(sink.received) == 1


async def test_who_is_not_there_was_told_nothing(sink: Sink) -> None:
    """A refused connection and an unknown name are tried again."""
    destination = other(sink)
    await sink.stop()
    with pytest.raises(Later, match="no connection"):
        await deliver(channel, outgoing(), destination)
    with pytest.raises(Later, match="no connection"):
        await deliver(channel, outgoing(), other(sink, "nowhere.invalid"))


async def test_an_unknown_kind_of_address_is_rejected() -> None:
    """It says so without repeating the address."""
    destination = AppriseDestination.model_validate({"channel": "apprise", "url": f"nonsense://{SECRET}"})
    with pytest.raises(NotDelivered, match="bad address") as caught:
        await deliver(channel, outgoing(), destination)
    assert SECRET not in str(caught.value)


async def test_what_is_not_public_is_not_called(sink: Sink) -> None:
    """FAULTS 38: refused when saved where it is an address, and when sent where a name leads to one."""
    with pytest.raises(ValidationError, match=r"127\.0\.0\.1 is not public and not allowed"):
        other(sink, allow=[])
    with pytest.raises(Rejected, match="forbidden address"):
        await deliver(channel, outgoing(), other(sink, socket.gethostname(), allow=[]))
    assert not sink.received


async def test_a_name_is_looked_up_here_for_datagrams_too() -> None:
    """FAULTS 38: a service that is not spoken to by HTTP may leave the look-up to its socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log_server:
        log_server.bind(("127.0.0.1", 0))
        log_server.settimeout(PATIENCE_S)
        port = log_server.getsockname()[1]
        named = {"channel": "apprise", "url": f"rsyslog://{socket.gethostname()}:{port}"}
        with pytest.raises(Rejected, match="forbidden address"):
            await deliver(channel, outgoing(), AppriseDestination.model_validate(named))
        allowed = {"channel": "apprise", "url": f"rsyslog://127.0.0.1:{port}", "allow": LOCAL}
        await deliver(channel, outgoing(), AppriseDestination.model_validate(allowed))
        assert b"LONG SOLUSDT" in log_server.recv(4_096)  # the first that came


async def test_a_proxy_of_the_environment_is_not_asked(sink: Sink) -> None:
    """The address that was checked is the one that is called."""
    proxy = await Sink().start()
    with mock.patch.dict(os.environ, {"http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "no_proxy": ""}):
        await deliver(channel, outgoing(), other(sink))
    assert (len(sink.received), len(proxy.received)) == (1, 0)
    await proxy.stop()


@pytest.mark.slow
async def test_failures_become_reports_and_the_address_stays_secret(
    stage: Stage, fresh_signal: Alert, capfd: pytest.CaptureFixture[str]
) -> None:
    """A 500 is tried again, a 400 is final, and neither a log nor a report names the token."""
    url = f"json://me:{SECRET}@127.0.0.1:{stage.sink.port}/{SECRET}"
    stage.sink.answers.append(status(500))
    await stage.route(other={"channel": "apprise", "url": url, "allow": LOCAL})
    await stage.tell(fresh_signal)
    reports = await stage.until(lambda found: [report.status for report in found] == ["retrying", "sent"])
    stage.sink.answers.append(status(400))
    await stage.tell(samples.signal("BTCUSDT", created_at=fresh_signal.created_at))
    reports = await stage.until(lambda found: len(found) == 3)
    assert [(report.status, report.reason) for report in reports] == [
        ("retrying", "http 500"),
        ("sent", ""),
        ("rejected", "http 400"),
    ]
    await asyncio.to_thread(stage.stop)
    told = capfd.readouterr()
    assert SECRET not in repr(reports) + told.out + told.err
