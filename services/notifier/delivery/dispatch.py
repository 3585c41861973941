"""Sends an alert through its destination's channel."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from services.notifier.delivery.context import DeliveryContext
from services.notifier.delivery.delivery_log import DeliveryState
from services.notifier.rendering.card import card_of
from services.notifier.rendering.text import text_of
from services.notifier.rendering.webhook_payload import payload_of
from shared.contracts import Alert
from shared.destinations import CHANNELS, Destination
from shared.sending import departure
from shared.sending.channel import Outgoing
from shared.settings import RuntimeSettings

log = structlog.get_logger()


async def dispatch(
    context: DeliveryContext,
    alert: Alert,
    name: str,
    destination: Destination,
    settings: RuntimeSettings,
    state: DeliveryState,
) -> str:
    """Send *alert* to *destination*, called *name*; return the other side's message id, or raise its outcome."""
    presentation = settings.presentation
    text = text_of(alert, presentation.timezone)
    outgoing = Outgoing(
        alert=alert,
        destination=name,
        text=text,
        settings=settings,
        card=_once(alert, presentation.theme, presentation.timezone),
        payload=lambda: payload_of(alert, text),
        reply_to=await _parent_reference(context, alert, name),
        taken=state.taken,
    )
    channel = CHANNELS[destination.channel]
    if not channel.tells_departure:
        departure.leave()
    return await channel.send(outgoing, destination, context.sending)


async def _parent_reference(context: DeliveryContext, alert: Alert, name: str) -> str:
    """Return the other side's id of the message that this one replies to; empty where it has none."""
    if not alert.parent_id:
        return ""
    parent = await context.delivery_log.state_of(alert.parent_id, name)
    return parent.reference if parent.status == "sent" else ""


def _once(alert: Alert, theme: str, timezone: str) -> Callable[[], bytes | None]:
    """Return a function that draws the card on its first call; an alert without a card still goes out."""
    drawn: list[bytes | None] = []

    def card() -> bytes | None:
        if not drawn:
            try:
                drawn.append(card_of(alert, theme=theme, timezone=timezone))
            except Exception as error:
                log.error("a card could not be drawn", alert=alert.alert_id, exc_info=error)
                drawn.append(None)
        return drawn[0]

    return card
