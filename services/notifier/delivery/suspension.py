"""A destination that rejects every message is suspended until its settings change; the others get a notice."""

from __future__ import annotations

import hashlib

import msgspec

from shared import ids
from shared.config.environment import Environment
from shared.contracts import Alert, SystemBody
from shared.sending.destination import DestinationBase


class Suspension(msgspec.Struct, frozen=True):
    """Why a destination is suspended."""

    at: int  #: wall clock, ms
    reason: str
    fingerprint: str  #: of the destination's settings; changed settings end the suspension


def fingerprint(destination: DestinationBase | None, environment: Environment) -> str:
    """Return a digest of a destination's settings, which changes with them and contains no secrets."""
    if destination is None:
        return ""
    secrets = [value.get_secret_value() for value in vars(destination).values() if hasattr(value, "get_secret_value")]
    secrets.append(environment.telegram_token.get_secret_value())
    return hashlib.sha256(repr((destination, secrets)).encode()).hexdigest()[:16]


def notice_of(market: str, destination: str, suspension: Suspension, detail: str) -> Alert:
    """Return the notice that the other destinations get."""
    return Alert(
        alert_id=ids.system_alert_id(market, f"suspended:{destination}:{suspension.fingerprint}"),
        kind="system",
        body=SystemBody(
            code="destination suspended",
            headline=f"⚠ Deliveries to {destination} are suspended: it rejects our messages",
            lines=(
                f"{suspension.reason} {detail}".strip()[:300],
                "Nothing is sent there until its settings change",
                f"or `./sevengate test-alert {destination}` succeeds.",
            ),
        ),
        occurred_at=suspension.at,
        created_at=suspension.at,
    )
