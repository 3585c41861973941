"""The picture of an alert."""

from __future__ import annotations

from shared.contracts import Alert


def card_of(alert: Alert, *, theme: str = "dark", timezone: str = "UTC") -> bytes | None:
    """Return the card as PNG; None where an alert has none."""
    return None
