"""What becomes of an alert: stops to make, and reports of those that are held back.  No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.notifier.ledger import report_of
from services.notifier.routing import Stop
from shared.contracts import Alert, DeliveryReport
from shared.settings import RuntimeSettings


@dataclass(frozen=True)
class Outcome:
    """What to enqueue, what to keep for the digest, and what to report."""

    send: tuple[str, ...]
    hold: tuple[str, ...]
    reports: tuple[DeliveryReport, ...]


def outcome_of(alert: Alert, stops: Sequence[Stop], settings: RuntimeSettings) -> Outcome:
    """Split the *stops* of *alert* into those made now and those held back."""
    held = tuple(stop for stop in stops if stop.hold)
    reports = tuple(
        report_of(
            alert,
            stop.destination,
            settings.destinations[stop.destination].channel,
            0,
            "suppressed",
            reason=stop.hold,
            detail=alert.held_by,
        )
        for stop in held
    )
    kept = tuple(stop.destination for stop in held if stop.hold != "destination muted")
    return Outcome(tuple(stop.destination for stop in stops if not stop.hold), kept, reports)
