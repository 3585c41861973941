"""E-mail: text and HTML with the card inline, over STARTTLS or TLS."""

from __future__ import annotations

import hashlib
import html
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import aiosmtplib
import structlog

from services.notifier.channels.outcome import Ambiguous, Later, NotDelivered, Outgoing, Parked, Rejected
from shared.contracts import Alert
from shared.destinations import EmailDestination

log = structlog.get_logger()


async def send(outgoing: Outgoing, destination: EmailDestination) -> str:
    """Hand the message to the server; its Message-ID is the reference."""
    message = message_of(outgoing, destination)
    client = _client(destination, outgoing.settings.delivery.timeout_seconds)
    try:
        await _enter(client, destination)
        await _hand_over(client, message)
    finally:
        client.close()
    return str(message["Message-ID"])


class _Client(aiosmtplib.SMTP):
    """A client that knows whether the letter itself has begun to leave."""

    handing_over = False

    async def data(self, message: str | bytes, /, **more: Any) -> aiosmtplib.SMTPResponse:
        self.handing_over = True
        return await super().data(message, **more)


def _client(destination: EmailDestination, timeout: float) -> _Client:
    secure = destination.security
    context = ssl.create_default_context(cafile=destination.ca_file or None) if secure != "none" else None
    return _Client(
        hostname=destination.host,
        port=destination.port,
        use_tls=secure == "tls",
        start_tls=secure == "starttls",
        tls_context=context,
        timeout=timeout,
    )


async def _enter(client: aiosmtplib.SMTP, destination: EmailDestination) -> None:
    """Connect and log in; nothing has been handed over when this fails."""
    try:
        await client.connect()
        if destination.username:
            await client.login(destination.username, destination.password.get_secret_value())
    except aiosmtplib.SMTPAuthenticationError as error:
        raise (Parked if error.code >= 500 else Later)("login refused", error.message) from error
    except aiosmtplib.SMTPResponseException as error:
        raise Later("server refused", f"{error.code} {error.message}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Later("no connection", str(error)) from error


async def _hand_over(client: _Client, message: EmailMessage) -> None:
    try:
        refused, _ = await client.send_message(message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [refused.code for refused in error.recipients]
        raise _refusal(min(codes), "recipients refused", str(error)) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _refusal(error.code, f"smtp {error.code}", error.message) from error
    except aiosmtplib.SMTPNotSupported as error:  # an address outside ASCII at an old server
        raise Rejected("not supported", str(error)) from error
    except (aiosmtplib.SMTPTimeoutError, TimeoutError) as error:
        raise (Ambiguous if client.handing_over else Later)("no answer in time") from error
    except (aiosmtplib.SMTPServerDisconnected, OSError) as error:
        raise (Ambiguous if client.handing_over else Later)("connection broke", str(error)) from error
    if refused:  # the others have it: it is not sent again
        codes = sorted(answer.code for answer in refused.values())
        log.warning("some recipients were refused", refused=len(refused), codes=codes)


def _refusal(code: int, reason: str, detail: str) -> NotDelivered:
    return Rejected(reason, detail) if code >= 500 else Later(reason, detail)


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
    _add_html(message, outgoing, domain, alert)
    return message


def _add_html(message: EmailMessage, outgoing: Outgoing, domain: str, alert: Alert) -> None:
    card = outgoing.card()
    name = f"card.{_digest(alert.alert_id)}@{domain}"
    picture = f'<p><img src="cid:{name}" width="600" alt="{html.escape(outgoing.text.title)}"></p>' if card else ""
    lines = outgoing.text.html.replace("\n", "<br>\n")
    message.add_alternative(f"<html><body>{picture}<p>{lines}</p></body></html>", subtype="html")
    if card:
        part = message.get_payload()[1]  # type: ignore[index]
        part.add_related(card, "image", "png", cid=f"<{name}>", filename="card.png")  # type: ignore[union-attr]


def message_id(alert_id: str, destination: str, domain: str) -> str:
    """Return the Message-ID: the same alert has the same one, so a mailbox shows a repetition once."""
    return f"<{_digest(f'{alert_id} {destination}')}@{domain}>"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].rstrip("> ") or "sevengate.invalid"
