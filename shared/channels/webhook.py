"""A generic webhook: versioned JSON, or a body made by a template; signed by the Standard Webhooks scheme."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from pydantic import SecretStr, field_validator

from shared.sending.channel import Channel, ChannelLimits, Outgoing, SendContext
from shared.sending.destination import HeaderName, HeaderText, WebDestination, header_text
from shared.sending.lazy import LazyModule
from shared.sending.results import Rejected

if TYPE_CHECKING:
    import standardwebhooks

    from shared.sending import http, templates
else:
    standardwebhooks = LazyModule("standardwebhooks")
    http = LazyModule("shared.sending.http")
    templates = LazyModule("shared.sending.templates")

LONGEST_REFERENCE: Final = 100  #: characters kept of the answer's message id


class WebhookDestination(WebDestination):
    channel: Literal["webhook"]
    secret: SecretStr = SecretStr("")  #: Standard Webhooks: whsec_…; empty: not signed
    template: str = ""  #: Jinja template of the body
    content_type: HeaderText = "application/json"
    headers: dict[HeaderName, SecretStr] = {}  #: an Authorization is as secret as the address

    @field_validator("template")
    @classmethod
    def _parses(cls, template: str) -> str:
        if template:
            from jinja2 import TemplateSyntaxError  # noqa: PLC0415 - 40 ms: only where there is a template
            from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

            try:
                SandboxedEnvironment().parse(template)
            except TemplateSyntaxError as error:
                raise ValueError(f"line {error.lineno} of the template: {error.message}") from error
        return template

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            header_text(value.get_secret_value(), name)
        return headers


async def send(outgoing: Outgoing, destination: WebhookDestination, context: SendContext) -> str:
    """Post the alert; the answer's ``x-message-id``, or nothing, is the reference."""
    body = await asyncio.to_thread(body_of, outgoing, destination)
    response = await http.post(
        destination.url.get_secret_value(),
        destination.allow,
        limit=outgoing.timeout,
        headers=headers_of(outgoing, destination, body),
        content=body.encode(),
    )
    return str(response.headers.get("x-message-id", ""))[:LONGEST_REFERENCE]


def body_of(outgoing: Outgoing, destination: WebhookDestination) -> str:
    """Return the body: the documented JSON, or what the destination's template makes of it."""
    payload = outgoing.payload()
    if not destination.template:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    try:
        return templates.render(destination.template, payload)
    except templates.TemplateFailed as error:
        raise Rejected("template failed", str(error)) from error


def headers_of(outgoing: Outgoing, destination: WebhookDestination, body: str) -> dict[str, str]:
    """Return the headers, signed where the destination has a secret."""
    headers = {name: value.get_secret_value() for name, value in destination.headers.items()}
    headers |= {"Content-Type": destination.content_type, "User-Agent": "Sevengate"}
    secret = destination.secret.get_secret_value()
    if secret:
        headers |= signature(secret, outgoing.alert.alert_id, datetime.now(UTC), body)
    return headers


def signature(secret: str, message_id: str, at: datetime, body: str) -> dict[str, str]:
    """Return the three headers of the Standard Webhooks scheme."""
    identity = message_id.encode("ascii", "backslashreplace").decode()  # a header has no room for 币安
    try:
        signed = standardwebhooks.Webhook(secret).sign(identity, at, body)
    except ValueError as error:
        raise Rejected("bad secret", "it has to be whsec_ and base64") from error
    return {"webhook-id": identity, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signed}


ENTRY: Final = Channel(
    name="webhook",
    title="Webhook",
    settings=WebhookDestination,
    send=send,
    tells_departure=True,
    limits=ChannelLimits(pace="as `Retry-After` says"),
    examples={
        "home": {
            "channel": "webhook",
            "url": "http://192.168.1.20:8123/api/webhook/x",
            "allow": ["192.168.1.20/32"],
            "secret": "whsec_…",
        }
    },
    summary=(
        "The JSON of [webhook.md](webhook.md), signed when there is a `secret`, or a body made by a `template`. "
        "Addresses that are not public are refused when they are saved and when they are called, unless `allow` "
        "names their network. The address that was checked is the one that is called; where a name has several, "
        "all are tried as long as nothing was sent. Redirects are not followed."
    ),
)
