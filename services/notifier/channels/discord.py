"""A Discord webhook: an embed with the card, nobody mentioned, and no faster than Discord says."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, Final

import httpx

from services.notifier.channels.outcome import Outgoing
from services.notifier.channels.web import ask, judge, refusal, seconds_of
from services.notifier.rates import Rates
from services.notifier.text import Text
from shared.destinations import DiscordDestination

GREEN, RED, GREY = 0x2EBD85, 0xF6465D, 0x8A94A6
LONGEST: Final = 4_096  #: characters of an embed's description; of its title
LONGEST_TITLE: Final = 256
EVERYWHERE: Final = "discord"  #: the lane of all webhooks, for a global limit


def lane(destination: DiscordDestination) -> str:
    """Return what Discord counts together: one webhook, under however many names."""
    return f"{EVERYWHERE}:{hashlib.sha256(destination.url.get_secret_value().encode()).hexdigest()[:16]}"


async def send(outgoing: Outgoing, destination: DiscordDestination, rates: Rates) -> str:
    """Post the embed, with the card where there is one; the message's id is the reference."""
    card = outgoing.card()
    files: dict[str, Any] = {
        "payload_json": (None, json.dumps(payload(outgoing, card is not None)), "application/json")
    }
    if card:
        files["files[0]"] = ("card.png", card, "image/png")
    separator = "&" if "?" in destination.url.get_secret_value() else "?"
    response = await ask(
        f"{destination.url.get_secret_value()}{separator}wait=true",
        destination.allow,
        limit=outgoing.settings.delivery.timeout_seconds,
        files=files,
    )
    told = _object(response)
    pause, everywhere = pause_of(response, told)
    if pause:
        await rates.hold(EVERYWHERE if everywhere else lane(destination), pause)
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise refusal(response.status_code, str(told.get("message", ""))[:200], pause)
    return str(_object(judge(response)).get("id", ""))


def pause_of(response: httpx.Response, told: dict[str, Any]) -> tuple[float, bool]:
    """Return the seconds for which Discord wants to hear nothing, and whether from any webhook at all.

    A 429 says them in its body, or where it comes from the proxy before Discord in `Retry-After`; an answer
    that uses a bucket up says when it is full again.  Source: Discord's developer documentation, Rate Limits.
    """
    headers = response.headers
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
        used_up = headers.get("x-ratelimit-remaining") == "0"
        return (_seconds(headers.get("x-ratelimit-reset-after")) if used_up else 0.0), False
    everywhere = told.get("global") is True or headers.get("x-ratelimit-global", "").lower() == "true"
    return _seconds(told.get("retry_after")) or seconds_of(headers.get("retry-after", "")) or 0.0, everywhere


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _object(response: httpx.Response) -> dict[str, Any]:
    """Return the answer's JSON object; an empty one where it is none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def payload(outgoing: Outgoing, with_card: bool) -> dict[str, Any]:
    """Return the message: Discord's Markdown is escaped, and `allowed_mentions` is empty."""
    side = outgoing.alert.side
    text = Text(escape(outgoing.text.title), tuple(escape(line) for line in outgoing.text.lines)).cut(LONGEST)
    embed: dict[str, Any] = {
        "title": text.title[:LONGEST_TITLE],
        "description": "\n".join(text.lines),
        "color": GREEN if side == "long" else RED if side == "short" else GREY,
    }
    if with_card:
        embed["image"] = {"url": "attachment://card.png"}
    return {"username": "Sevengate", "embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str) -> str:
    """Return *text* with Discord's Markdown made harmless."""
    return "".join(f"\\{mark}" if mark in "\\*_~`|>[]()#-<@" else mark for mark in text)
