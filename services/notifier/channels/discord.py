"""A Discord webhook: an embed with the card, and nobody mentioned."""

from __future__ import annotations

import json
from typing import Any

from services.notifier.channels.outcome import Outgoing
from services.notifier.channels.web import post
from shared.settings import DiscordDestination

GREEN, RED, GREY = 0x2EBD85, 0xF6465D, 0x8A94A6


async def send(outgoing: Outgoing, destination: DiscordDestination) -> str:
    """Post the embed, with the card where there is one; the message's id is the reference."""
    card = outgoing.card()
    files: dict[str, Any] = {
        "payload_json": (None, json.dumps(payload(outgoing, card is not None)), "application/json")
    }
    if card:
        files["files[0]"] = ("card.png", card, "image/png")
    separator = "&" if "?" in destination.url.get_secret_value() else "?"
    response = await post(
        f"{destination.url.get_secret_value()}{separator}wait=true",
        destination.allow,
        limit=outgoing.settings.delivery.timeout_seconds,
        files=files,
    )
    try:
        return str(response.json().get("id", ""))
    except (ValueError, AttributeError):
        return ""


def payload(outgoing: Outgoing, with_card: bool) -> dict[str, Any]:
    """Return the message: Discord's Markdown is escaped, and `allowed_mentions` is empty."""
    side = outgoing.alert.side
    embed: dict[str, Any] = {
        "title": escape(outgoing.text.title)[:256],
        "description": escape("\n".join(outgoing.text.lines))[:4_000],
        "color": GREEN if side == "long" else RED if side == "short" else GREY,
    }
    if with_card:
        embed["image"] = {"url": "attachment://card.png"}
    return {"username": "Sevengate", "embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str) -> str:
    """Return *text* with Discord's Markdown made harmless."""
    return "".join(f"\\{mark}" if mark in "\\*_~`|>[]()#-<@" else mark for mark in text)
