"""Leaves word of the bot on the bus: how its token fares, and which chats wrote to it."""

from __future__ import annotations

import time
from typing import Final

import msgspec
import structlog
from redis.exceptions import RedisError

from shared.bus import Bus, Commit, CommitResult, StateChange
from shared.reports import BOT, REPORT, BotReport, HeardChat, Token

KEPT: Final = 10  #: chats
TRIES: Final = 3  #: where another process writes at the same time

log = structlog.get_logger()


class BotReports:
    """Writes a `BotReport`; a bus that is away is not waited for."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def token(self, found: Token, username: str = "") -> None:
        """Note what became of the token; the chats that were heard stay."""
        await self._change(token=found, username=username, at=now_ms())

    async def heard(self, chat: HeardChat) -> None:
        """Note that *chat* has written."""
        await self._change(chat)

    async def _change(self, chat: HeardChat | None = None, **fields: object) -> None:
        try:
            for _ in range(TRIES):
                state = await self._bus.load_state(BOT)
                report = changed(state.fields.get(REPORT), chat, **fields)
                change = StateChange(BOT, state.version, {REPORT: msgspec.json.encode(report)})
                if await self._bus.commit(Commit(state=change)) is CommitResult.COMMITTED:
                    return
        except (RedisError, OSError) as error:
            log.debug("the bot's report cannot be written", error=str(error))


def changed(held: bytes | None, chat: HeardChat | None, **fields: object) -> BotReport:
    """Return the report that *held* becomes; one that cannot be read begins anew."""
    try:
        report = msgspec.json.decode(held or b"", type=BotReport)
    except msgspec.DecodeError:
        report = BotReport(token="accepted", at=now_ms())
    if chat is not None:
        others = (one for one in report.chats if (one.chat_id, one.topic_id) != (chat.chat_id, chat.topic_id))
        fields["chats"] = (chat, *others)[:KEPT]
    return msgspec.structs.replace(report, **fields)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
