"""Hands an alert to its destination's channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from services.notifier.card import card_of
from services.notifier.channels import apprise, discord, email, telegram, webhook
from services.notifier.channels.outcome import NotDelivered, Outgoing
from services.notifier.context import Context
from services.notifier.text import text_of
from shared.contracts import Alert
from shared.destinations import (
    AppriseDestination,
    Destination,
    DiscordDestination,
    EmailDestination,
    TelegramDestination,
    WebhookDestination,
)
from shared.settings import RuntimeSettings

log = structlog.get_logger()


async def tell(
    context: Context, alert: Alert, name: str, destination: Destination | None, settings: RuntimeSettings
) -> str:
    """Tell *destination*, called *name*; return the other side's message id, or raise what came of it."""
    presentation = settings.presentation
    outgoing = Outgoing(
        alert=alert,
        destination=name,
        text=text_of(alert, presentation.timezone),
        settings=settings,
        card=_once(alert, presentation.theme, presentation.timezone),
    )
    match destination:
        case TelegramDestination():
            return await _tell_telegram(context, outgoing, destination)
        case WebhookDestination():
            return await webhook.send(outgoing, destination)
        case EmailDestination():
            return await email.send(outgoing, destination)
        case DiscordDestination():
            return await discord.send(outgoing, destination, context.rates)
        case AppriseDestination():
            return await apprise.send(outgoing, destination)
    raise NotDelivered("unknown channel")


async def _tell_telegram(context: Context, outgoing: Outgoing, destination: TelegramDestination) -> str:
    ledger, environment = context.ledger, context.environment
    if outgoing.alert.parent_id:
        parent = await ledger.mark(outgoing.alert.parent_id, outgoing.destination)
        outgoing = replace(outgoing, reply_to=parent.reference if parent.status == "sent" else "")
    account = telegram.Account(environment.telegram_api_url, environment.telegram_token.get_secret_value())
    return await telegram.send(outgoing, destination, account, await ledger.migrated(destination.chat_id))


def _once(alert: Alert, theme: str, timezone: str) -> Callable[[], bytes | None]:
    """Return what draws the card when first asked for it; an alert without its picture still goes out."""
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
