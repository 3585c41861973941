"""Splits an alert's planned deliveries into those made now and those held back.  No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.notifier.delivery.delivery_log import report_of
from services.notifier.routing import PlannedDelivery
from shared.contracts import Alert, DeliveryReport
from shared.settings import RuntimeSettings


@dataclass(frozen=True)
class RoutingResult:
    """Deliveries to enqueue, alerts to keep for the digest, and reports to publish."""

    send: tuple[str, ...]
    hold: tuple[str, ...]
    reports: tuple[DeliveryReport, ...]


def split(alert: Alert, planned: Sequence[PlannedDelivery], settings: RuntimeSettings) -> RoutingResult:
    """Split the *planned* deliveries of *alert* into those made now and those held back."""
    held = tuple(delivery for delivery in planned if delivery.hold)
    reports = tuple(
        report_of(
            alert,
            delivery.destination,
            settings.destinations[delivery.destination].channel,
            0,
            "suppressed",
            reason=delivery.hold,
            detail=alert.held_by,
        )
        for delivery in held
    )
    kept = tuple(delivery.destination for delivery in held if delivery.hold != "destination muted")
    return RoutingResult(tuple(delivery.destination for delivery in planned if not delivery.hold), kept, reports)
