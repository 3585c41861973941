"""/api/setup: what a first visit needs to know to make a destination."""

from __future__ import annotations

from typing import Final

import msgspec
from fastapi import Response
from redis.exceptions import RedisError

from services.api.context import Context, Uses, answer, now_ms, resource
from services.api.schemas.setup import TelegramSetup
from shared.channels.telegram import TelegramDestination
from shared.contracts import HOUR_MS
from shared.reports import BOT, REPORT, BotReport
from shared.settings import RuntimeSettings

router = resource("setup")
HEARD_MS: Final = HOUR_MS  #: a chat that wrote longer ago is not offered
ADVICE: Final = {
    "missing": "No token is set: create a bot with @BotFather, set SEVENGATE_TELEGRAM_TOKEN and restart Sevengate.",
    "refused": "Telegram does not know this token: copy SEVENGATE_TELEGRAM_TOKEN again from @BotFather and restart.",
    "unreachable": "Telegram cannot be reached: check the network or SEVENGATE_TELEGRAM_API_URL. The bot keeps trying.",
    "unknown": "The notifier has not reported its bot yet: check that it runs (page Health).",
    "accepted": "",
}


@router.post("/api/setup/telegram", response_model=TelegramSetup)
async def telegram(context: Uses) -> Response:
    """Return how the bot's token fares, and the chats that wrote to the bot within the last hour.

    The notifier's bot finds it: a second program that asked Telegram for messages would conflict with it.
    A POST, because names of chats are not for every reader's key.
    """
    report = await _report(context)
    token = report.token if report else "unknown"
    chats = [chat for chat in report.chats if now_ms() - chat.at < HEARD_MS] if report else []
    known = _destinations(context)
    return answer(
        {
            "token": token,
            "advice": ADVICE[token],
            "username": report.username if report else "",
            "chats": [
                {
                    "chat_id": chat.chat_id,
                    "topic_id": chat.topic_id,
                    "title": chat.title,
                    "kind": chat.kind,
                    "at": chat.at,
                    "destination": known.get((chat.chat_id, chat.topic_id)),
                }
                for chat in chats
            ],
        }
    )


async def _report(context: Context) -> BotReport | None:
    try:
        held = (await context.bus.load_state(BOT)).fields.get(REPORT)
        return msgspec.json.decode(held, type=BotReport) if held else None
    except (RedisError, OSError, msgspec.DecodeError):
        return None


def _destinations(context: Context) -> dict[tuple[str, int | None], str]:
    """Return the chats that are destinations already, with their names."""
    current = context.publisher.current
    held = RuntimeSettings.model_validate(current.value).destinations if current else {}
    return {(one.chat_id, one.topic_id): name for name, one in held.items() if isinstance(one, TelegramDestination)}
