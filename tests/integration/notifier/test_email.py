"""E-mail against a real SMTP server with TLS and authentication."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError

from services.notifier.cli import sample_alerts as samples
from services.notifier.rendering.card import card_of
from services.notifier.rendering.text import text_of
from shared.channels import email as channel
from shared.channels.email import EmailDestination
from shared.contracts import Alert
from shared.sending.channel import Outgoing
from shared.sending.results import Ambiguous, Later, Rejected, Suspended
from shared.settings import RuntimeSettings
from tests.integration.notifier.conftest import Stage
from tests.integration.notifier.sinks import deliver

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:Requiring AUTH"),  # the server does not count implicit TLS
]


LOOPBACK = ("127.0.0.0/8", "::1/128")
HURRIED = {"delivery": {"timeout_seconds": 1.0}}


class Mailbox:
    """Keeps its messages; `refusal` and `recipients` are answered instead where they are set."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.refusal = ""
        self.recipients: dict[str, str] = {}  #: what is said to some
        self.deferred_once: set[str] = set()
        self.recipients_of_letters: list[list[str]] = []
        self.hangs_at = ""

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if self.hangs_at == "RCPT":
            await asyncio.sleep(5)
        said = self.recipients.get(address, "250 OK")
        if address in self.deferred_once:
            self.deferred_once.remove(address)
            said = "451 4.7.1 try again"
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hangs_at == "DATA":
            await asyncio.sleep(5)
        if self.refusal:
            return self.refusal
        letter = email.message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]
        self.letters.append(letter)
        self.recipients_of_letters.append(list(envelope.rcpt_tos))
        return "250 OK"


def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"seven", b"gates")
    return AuthResult(success=good, handled=False)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A certificate for localhost and the file of the authority that signed it."""
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("localhost").configure_cert(context)
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return context, str(path)


@pytest.fixture(params=["starttls", "tls"])
def server(request: pytest.FixtureRequest, authority: tuple[ssl.SSLContext, str]) -> Iterator[Any]:
    """A server that wants encryption and a login: (mailbox, destination)."""
    context, ca_file = authority
    secure = {"ssl_context": context} if request.param == "tls" else {"tls_context": context, "require_starttls": True}
    mailbox = Mailbox()
    controller = Controller(
        mailbox,
        hostname="localhost",
        port=0,
        authenticator=check,
        auth_required=True,
        auth_require_tls=request.param != "tls",  # the server does not count implicit TLS
        **secure,
    )
    controller.port = _free_port()
    controller.start()
    yield (
        mailbox,
        EmailDestination(
            channel="email",
            host="localhost",
            port=controller.port,
            security=request.param,
            username="seven",
            password="gates",
            sender="Sevengate <seven@example.org>",
            to=("me@example.org", "you@example.org"),
            ca_file=ca_file,
            allow=LOOPBACK,
        ),
    )
    controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def outgoing(alert: Alert) -> Outgoing:
    return Outgoing(
        alert=alert,
        destination="mail",
        text=text_of(alert),
        settings=RuntimeSettings(),
        card=lambda: card_of(alert),
    )


async def test_a_letter_has_text_html_and_its_card_inline(server: Any) -> None:
    """The picture is part of the HTML, the lifecycle answers to the signal's letter."""
    mailbox, destination = server
    reference = await deliver(channel, outgoing(samples.signal()), destination)
    await deliver(channel, outgoing(samples.lifecycle()), destination)
    letter, answer = mailbox.letters
    assert letter["Message-ID"] == reference == answer["In-Reply-To"]
    assert "LONG SOLUSDT" in letter.get_body(("plain",)).get_content()
    page = letter.get_body(("html",)).get_content()
    picture = next(part for part in letter.walk() if part.get_content_type() == "image/png")
    assert f"cid:{picture['Content-ID'].strip('<>')}" in page
    assert picture.get_content_disposition() == "inline"
    assert picture.get_content()[:8] == b"\x89PNG\r\n\x1a\n"


async def test_markup_in_a_symbol_is_inert_in_a_letter(server: Any) -> None:
    """FAULTS 40: the HTML shows the text of the tag."""
    mailbox, destination = server
    await deliver(channel, outgoing(samples.signal("<img onerror=x>")), destination)
    page = mailbox.letters[0].get_body(("html",)).get_content()
    assert "<img onerror" not in page
    assert "&lt;img onerror=x&gt;" in page


async def test_what_a_server_refuses_is_told_apart(server: Any, tmp_path: Path) -> None:
    """A wrong password suspends, 4xx is tried again, 5xx is final, a foreign certificate sends nothing."""
    mailbox, destination = server
    with pytest.raises(Suspended, match="login refused"):
        await deliver(channel, outgoing(samples.signal()), destination.model_copy(update={"username": "eve"}))
    mailbox.refusal = "451 4.3.0 try again"
    with pytest.raises(Later, match="smtp 451"):
        await deliver(channel, outgoing(samples.signal()), destination)
    mailbox.refusal = "554 5.7.1 no"
    with pytest.raises(Rejected, match="smtp 554"):
        await deliver(channel, outgoing(samples.signal()), destination)
    with pytest.raises(Later, match="no connection"):
        await deliver(channel, outgoing(samples.signal()), destination.model_copy(update={"ca_file": ""}))
    assert not mailbox.letters


async def test_a_silent_server_is_ambiguous_only_once_the_letter_leaves(server: Any) -> None:
    """FAULTS 29: before the letter itself nothing can have arrived, so it is tried again."""
    mailbox, destination = server
    hurried = replace(outgoing(samples.signal()), settings=RuntimeSettings.model_validate(HURRIED))
    mailbox.hangs_at = "RCPT"
    with pytest.raises(Later, match="no answer in time"):
        await deliver(channel, hurried, destination)
    mailbox.hangs_at = "DATA"
    with pytest.raises(Ambiguous, match="no answer in time"):
        await deliver(channel, hurried, destination)


async def test_one_of_two_recipients_gets_the_letter_once(server: Any) -> None:
    """Who is refused does not make the other hear it twice; where all are refused it depends on how."""
    mailbox, destination = server
    mailbox.recipients = {"you@example.org": "550 5.1.1 nobody"}
    await deliver(channel, outgoing(samples.signal()), destination)
    assert len(mailbox.letters) == 1
    mailbox.recipients["me@example.org"] = "450 4.2.1 greylisted"
    with pytest.raises(Later, match="recipients refused"):
        await deliver(channel, outgoing(samples.signal()), destination)
    mailbox.recipients["me@example.org"] = "550 5.1.1 nobody"
    with pytest.raises(Rejected, match="recipients refused"):
        await deliver(channel, outgoing(samples.signal()), destination)


async def test_a_line_break_in_a_header_is_refused() -> None:
    """FAULTS 39: nothing can be smuggled into the headers."""
    smuggled = "a@b.c\r\nBcc: eve@x"
    with pytest.raises(ValidationError, match="a line break in a header"):
        EmailDestination(channel="email", host="x", sender=smuggled, to=("me@b.c",))
    destination = EmailDestination(channel="email", host="x", sender="a@b.c", to=("me@b.c",))
    with pytest.raises(Rejected, match="bad header"):
        channel.message_of(outgoing(samples.signal()), destination.model_copy(update={"sender": smuggled}))
    letter = channel.message_of(outgoing(samples.signal("A\r\nBcc: eve@x")), destination)
    assert letter["Bcc"] is None


async def test_who_was_deferred_gets_the_letter_alone(server: Any) -> None:
    """A 451 for one of two: the first has it, the next attempt goes to the second only, and no one gets it twice."""
    mailbox, destination = server
    mailbox.recipients = {"you@example.org": "451 4.7.1 greylisted"}
    with pytest.raises(Later, match="1 of 2 recipients deferred") as caught:
        await deliver(channel, outgoing(samples.signal()), destination)
    assert caught.value.taken == ("me@example.org",)
    mailbox.recipients = {}
    await deliver(channel, replace(outgoing(samples.signal()), taken=caught.value.taken), destination)
    assert mailbox.recipients_of_letters == [["me@example.org"], ["you@example.org"]]


async def test_a_deferred_recipient_is_remembered_between_attempts(stage: Stage, fresh_signal: Alert) -> None:
    """Through queue, log and worker: `retrying`, then `sent`; each of the two has one letter."""
    mailbox = Mailbox()
    mailbox.deferred_once = {"you@example.org"}
    controller = Controller(mailbox, hostname="127.0.0.1", port=_free_port())
    controller.start()
    await stage.route(
        mail={
            "channel": "email",
            "host": "127.0.0.1",
            "port": controller.port,
            "security": "none",
            "allow": LOOPBACK,
            "sender": "seven@example.org",
            "to": ["me@example.org", "you@example.org"],
        }
    )
    await stage.tell(fresh_signal)
    reports = await stage.until(lambda found: any(report.status == "sent" for report in found))
    assert [(report.status, report.reason) for report in reports] == [
        ("retrying", "recipients refused"),
        ("sent", ""),
    ]
    assert mailbox.recipients_of_letters == [["me@example.org"], ["you@example.org"]]
    controller.stop()
