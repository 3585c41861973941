"""A destination that refuses Sevengate is left alone until its settings change, and the others are told."""

from __future__ import annotations

import hashlib

import msgspec

from shared.contracts import Alert, SystemBody
from shared.destinations import DestinationBase
from shared.settings import Environment


class Parking(msgspec.Struct, frozen=True):
    """Why a destination is left alone."""

    at: int  #: wall clock, ms
    reason: str
    fingerprint: str  #: of the destination's settings; changed settings end the parking


def fingerprint(destination: DestinationBase | None, environment: Environment) -> str:
    """Return what tells one state of a destination's settings from another, without their secrets."""
    if destination is None:
        return ""
    secrets = [value.get_secret_value() for value in vars(destination).values() if hasattr(value, "get_secret_value")]
    secrets.append(environment.telegram_token.get_secret_value())
    return hashlib.sha256(repr((destination, secrets)).encode()).hexdigest()[:16]


def word_of(destination: str, parking: Parking, detail: str) -> Alert:
    """Return what the other destinations are told."""
    return Alert(
        alert_id=f"system:parked:{destination}:{parking.fingerprint}",
        kind="system",
        body=SystemBody(
            code="destination parked",
            headline=f"⚠ {destination} is parked: it refuses Sevengate",
            lines=(
                f"{parking.reason} {detail}".strip()[:300],
                "Nothing is sent there until its settings change,",
                f"or `./sevengate test-alert {destination}` succeeds.",
            ),
        ),
        occurred_at=parking.at,
        created_at=parking.at,
    )
