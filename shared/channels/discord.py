"""A Discord webhook: an embed with the card, without mentions, and no faster than Discord says."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, Final, Literal

from shared.sending.channel import Channel, ChannelLimits, Outgoing, SendContext
from shared.sending.destination import WebDestination
from shared.sending.lazy import LazyModule
from shared.sending.results import Suspended, http_reason
from shared.sending.text import Text

if TYPE_CHECKING:
    import httpx

    from shared.sending import http
else:
    http = LazyModule("shared.sending.http")

GREEN, RED, GREY = 0x2EBD85, 0xF6465D, 0x8A94A6
LONGEST: Final = 4_096  #: characters of an embed's description; of its title
LONGEST_TITLE: Final = 256
EVERYWHERE: Final = "discord"  #: the lane of all webhooks, for a global limit
TOO_MANY: Final = 429
#: Discord's codes for what no repetition changes, and what to do about it
FOR_GOOD: Final = {
    220_001: "a forum channel takes threads only: add ?thread_id=… to the webhook's address",
    50_027: "the webhook's token is not valid: copy its address anew",
}


class DiscordDestination(WebDestination):
    channel: Literal["discord"]


def lane(destination: DiscordDestination) -> str:
    """Return the key of the webhook's rate limit: destinations with the same webhook share it."""
    return f"{EVERYWHERE}:{hashlib.sha256(destination.url.get_secret_value().encode()).hexdigest()[:16]}"


async def turn(destination: DiscordDestination, context: SendContext) -> float | None:
    """Return the seconds until the webhook's rate limit allows a message; None when it does now."""
    return await context.rates.held(EVERYWHERE, lane(destination))


async def send(outgoing: Outgoing, destination: DiscordDestination, context: SendContext) -> str:
    """Post the embed, with the card where there is one; the message's id is the reference."""
    card = outgoing.card()
    files: dict[str, Any] = {
        "payload_json": (None, json.dumps(payload(outgoing, card is not None)), "application/json")
    }
    if card:
        files["files[0]"] = ("card.png", card, "image/png")
    url = destination.url.get_secret_value()
    separator = "&" if "?" in url else "?"
    response = await http.ask(f"{url}{separator}wait=true", destination.allow, limit=outgoing.timeout, files=files)
    answer = _object(response)
    pause, everywhere = pause_of(response, answer)
    if pause:
        await context.rates.hold(EVERYWHERE if everywhere else lane(destination), pause)
    if response.status_code == TOO_MANY:
        raise http.refusal(response.status_code, pause)
    if (code := answer.get("code")) in FOR_GOOD and not response.is_success:
        raise Suspended(http_reason(response.status_code), f"Discord's code {code}: {FOR_GOOD[code]}")
    return str(_object(http.judge(response)).get("id", ""))


def pause_of(response: httpx.Response, answer: dict[str, Any]) -> tuple[float, bool]:
    """Return the seconds to wait, and whether that holds for all webhooks.

    A 429 says them in its body, or where it comes from the proxy before Discord in `Retry-After`; an answer
    that uses a bucket up says when it is full again.  Source: Discord's developer documentation, Rate Limits.
    """
    headers = response.headers
    if response.status_code != TOO_MANY:
        used_up = headers.get("x-ratelimit-remaining") == "0"
        return (_seconds(headers.get("x-ratelimit-reset-after")) if used_up else 0.0), False
    everywhere = answer.get("global") is True or headers.get("x-ratelimit-global", "").lower() == "true"
    return _seconds(answer.get("retry_after")) or http.seconds_of(headers.get("retry-after", "")) or 0.0, everywhere


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


ENTRY: Final = Channel(
    name="discord",
    title="Discord",
    settings=DiscordDestination,
    send=send,
    tells_departure=True,
    turn=turn,
    limits=ChannelLimits(text=LONGEST, caption=LONGEST, pace="as its answers say"),
    examples={"room": {"channel": "discord", "url": "https://discord.com/api/webhooks/…"}},
    summary=(
        "An embed with the card, without mentions. What its answers say about its limits is obeyed: "
        "`retry_after` and `global` of a 429, `Retry-After` of the proxy before it, and a bucket that is used up "
        "(`X-RateLimit-Remaining`, `-Reset-After`). A forum channel takes threads only: add `?thread_id=…` to the"
        " webhook's address."
    ),
)
