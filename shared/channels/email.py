"""E-mail: text and HTML with the card inline, over STARTTLS or TLS."""

from __future__ import annotations

import hashlib
import html
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, SecretStr, model_validator

from shared.network import addresses
from shared.sending import departure
from shared.sending.channel import Channel, ChannelLimits, Outgoing, SendContext
from shared.sending.destination import DestinationBase, MailAddress, Network
from shared.sending.lazy import LazyModule
from shared.sending.results import Ambiguous, Later, NotDelivered, Rejected, Suspended

if TYPE_CHECKING:
    import aiosmtplib

    from shared.sending import connecting
else:
    aiosmtplib = LazyModule("aiosmtplib")
    connecting = LazyModule("shared.sending.connecting")


class EmailDestination(DestinationBase):
    channel: Literal["email"]
    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr = SecretStr("")
    sender: MailAddress
    to: tuple[MailAddress, ...] = Field(min_length=1)
    ca_file: str = ""
    allow: tuple[Network, ...] = ()  #: networks of the LAN that the mail server may be in

    @model_validator(mode="after")
    def _may_be_called(self) -> EmailDestination:
        """Refuse a forbidden literal address; names are resolved and checked when connecting."""
        address = addresses.literal(self.host)
        if address is not None and not addresses.permitted(address, self.allow):
            raise ValueError(f"host: {address} is not public and not allowed")
        return self


async def send(outgoing: Outgoing, destination: EmailDestination, context: SendContext) -> str:
    """Send the message to every recipient that does not have it yet; its Message-ID is the reference.

    Raises `Later` with the recipients that have it where the server defers only some.
    """
    message = message_of(outgoing, destination)
    client = await _client(destination, outgoing.timeout)
    try:
        await _enter(client, destination)
        recipients = [who for who in destination.to if who not in outgoing.taken]
        taken, refused = await _hand_over(client, message, destination.sender, recipients)
    finally:
        client.close()
    deferred = [code for code in refused if code < 500]
    if deferred and taken:
        detail = f"smtp {min(deferred)}: {len(deferred)} of {len(destination.to)} recipients deferred"
        raise Later("recipients refused", detail, taken=(*outgoing.taken, *taken))
    if not taken and not outgoing.taken:
        raise _refusal(min(refused), "recipients refused")
    return str(message["Message-ID"])


async def _client(destination: EmailDestination, limit: float) -> aiosmtplib.SMTP:
    secure = destination.security
    try:
        context = ssl.create_default_context(cafile=destination.ca_file or None) if secure != "none" else None
    except OSError as error:
        raise Later("no connection", f"ca_file: {type(error).__name__}") from error
    return aiosmtplib.SMTP(
        hostname=destination.host,
        port=None,
        sock=await _connected(destination, limit),
        use_tls=secure == "tls",
        start_tls=secure == "starttls",
        tls_context=context,
        timeout=limit,
    )


async def _connected(destination: EmailDestination, limit: float) -> socket.socket:
    """Return a connection to an address of the server that was checked."""
    try:
        return await connecting.connect(destination.host, destination.port, destination.allow, limit)
    except addresses.Forbidden as error:
        raise Rejected("forbidden address", str(error)) from error
    except socket.gaierror as error:
        raise Later("name not resolved", type(error).__name__) from error
    except OSError as error:
        raise Later("no connection", type(error).__name__) from error


async def _enter(client: aiosmtplib.SMTP, destination: EmailDestination) -> None:
    """Greet and log in; nothing has been sent when this fails."""
    try:
        await client.connect()
        if destination.username:
            await client.login(destination.username, destination.password.get_secret_value())
    except aiosmtplib.SMTPAuthenticationError as error:
        raise (Suspended if error.code >= 500 else Later)("login refused", f"smtp {error.code}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise Later("server refused", f"smtp {error.code}") from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise Later("no connection", type(error).__name__) from error


async def _hand_over(
    client: aiosmtplib.SMTP, message: EmailMessage, sender: str, recipients: Sequence[str]
) -> tuple[list[str], list[int]]:
    """Send the message; return the recipients that have it, and the codes with which others were refused."""
    leaving = False
    try:
        await client.ehlo()
        data, options = _encoded(client, message, (sender, *recipients))
        await client.mail(parseaddr(sender)[1], options=options, encoding="utf-8" if options else "ascii")
        taken, refused = await _recipients(client, recipients, options)
        if taken:
            leaving = True
            departure.leave()
            await client.data(data)
    except aiosmtplib.SMTPResponseException as error:
        raise _refusal(error.code) from error
    except (aiosmtplib.SMTPTimeoutError, TimeoutError) as error:
        raise (Ambiguous if leaving else Later)("no answer in time") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise (Ambiguous if leaving else Later)("connection broke", type(error).__name__) from error
    return taken, refused


async def _recipients(
    client: aiosmtplib.SMTP, recipients: Sequence[str], options: Sequence[str]
) -> tuple[list[str], list[int]]:
    taken, refused = [], []
    for who in recipients:
        try:
            await client.rcpt(parseaddr(who)[1], encoding="utf-8" if options else "ascii")
            taken.append(who)
        except aiosmtplib.SMTPRecipientRefused as error:
            refused.append(error.code)
    return taken, refused


def _encoded(client: aiosmtplib.SMTP, message: EmailMessage, people: Sequence[str]) -> tuple[bytes, list[str]]:
    """Return the letter as bytes and MAIL's options; addresses outside ASCII need a server that takes them."""
    if all(parseaddr(who)[1].isascii() for who in people):
        return message.as_bytes(policy=SMTP), []
    if not client.supports_extension("smtputf8"):
        raise Rejected("not supported", "the server takes no addresses outside ASCII")
    return message.as_bytes(policy=SMTPUTF8), ["SMTPUTF8"]


def _refusal(code: int, reason: Literal["recipients refused"] | None = None) -> NotDelivered:
    kind = Rejected if code >= 500 else Later
    return kind(reason or ("smtp 5xx" if code >= 500 else "smtp 4xx"), f"smtp {code}")


def message_of(outgoing: Outgoing, destination: EmailDestination) -> EmailMessage:
    """Return the message; headers refuse line breaks, replies thread by the parent's id."""
    alert, domain = outgoing.alert, _domain(destination.sender)
    message = EmailMessage()
    try:
        message["From"] = destination.sender
        message["To"] = ", ".join(destination.to)
        message["Subject"] = " ".join(outgoing.text.title.split())[:200]
    except ValueError as error:
        raise Rejected("bad header", str(error)) from error
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id(alert.alert_id, outgoing.destination, domain)
    message["Auto-Submitted"] = "auto-generated"
    if alert.parent_id:
        parent = message_id(alert.parent_id, outgoing.destination, domain)
        message["In-Reply-To"] = message["References"] = parent
    message.set_content(outgoing.text.plain)
    _add_html(message, outgoing, domain)
    return message


def _add_html(message: EmailMessage, outgoing: Outgoing, domain: str) -> None:
    card = outgoing.card()
    name = f"card.{_digest(outgoing.alert.alert_id)}@{domain}"
    picture = f'<p><img src="cid:{name}" width="600" alt="{html.escape(outgoing.text.title)}"></p>' if card else ""
    lines = outgoing.text.html.replace("\n", "<br>\n")
    message.add_alternative(f"<html><body>{picture}<p>{lines}</p></body></html>", subtype="html")
    if card:
        part = message.get_payload()[1]  # type: ignore[index]
        # a file's name alone would make it an attachment
        part.add_related(  # type: ignore[union-attr]
            card, "image", "png", cid=f"<{name}>", filename="card.png", disposition="inline"
        )


def message_id(alert_id: str, destination: str, domain: str) -> str:
    """Return the Message-ID: the same alert has the same one, so a mailbox shows a repetition once."""
    return f"<{_digest(f'{alert_id} {destination}')}@{domain}>"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].rstrip("> ") or "sevengate.invalid"


ENTRY: Final = Channel(
    name="email",
    title="E-mail",
    settings=EmailDestination,
    send=send,
    tells_departure=True,
    limits=ChannelLimits(pace="as the server's 4xx ask for"),
    examples={
        "mail": {
            "channel": "email",
            "host": "smtp.example.org",
            "port": 587,
            "security": "starttls",
            "username": "me",
            "password": "…",
            "sender": "Sevengate <me@example.org>",
            "to": ["me@example.org"],
        }
    },
    summary=(
        "Text and HTML with the card inline, over `starttls` or `tls`; `ca_file` trusts a private authority. "
        "Replies thread. A server that falls silent before the letter itself leaves is tried again, afterwards it"
        " is `unknown`. A recipient whom the server defers is tried again alone. A mail server in the LAN or on "
        "this machine needs its network in `allow`, as a webhook does."
    ),
)
