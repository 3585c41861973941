"""A generic webhook: versioned JSON, or a body made by a template; signed by the Standard Webhooks scheme."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from standardwebhooks import Webhook

from services.notifier.channels.outcome import Outgoing, Rejected
from services.notifier.channels.web import post
from services.notifier.payload import payload_of
from shared.destinations import WebhookDestination

LONGEST_BODY = 262_144
_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


async def send(outgoing: Outgoing, destination: WebhookDestination) -> str:
    """Post the alert; the answer's ``webhook-id``, or nothing, is the reference."""
    body = body_of(outgoing, destination)
    response = await post(
        destination.url.get_secret_value(),
        destination.allow,
        limit=outgoing.settings.delivery.timeout_seconds,
        headers=headers_of(outgoing, destination, body),
        content=body.encode(),
    )
    return str(response.headers.get("x-message-id", ""))[:100]


def body_of(outgoing: Outgoing, destination: WebhookDestination) -> str:
    """Return the body: the documented JSON, or what the destination's template makes of it."""
    payload = payload_of(outgoing.alert, outgoing.text)
    if not destination.template:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    try:
        body = str(_template(destination.template).render(payload, alert=payload))
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise Rejected("template failed", str(error)) from error
    if len(body) > LONGEST_BODY:
        raise Rejected("template failed", "the body is too long")
    return body


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
        signed = Webhook(secret).sign(identity, at, body)
    except ValueError as error:
        raise Rejected("bad secret", "it has to be whsec_ and base64") from error
    return {"webhook-id": identity, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signed}


@lru_cache(maxsize=64)
def _template(source: str) -> Any:
    return _environment.from_string(source)
