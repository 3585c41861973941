"""What services leave in their states on the bus for the API to show."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

FETCHER: Final = "fetcher"  #: the active fetcher's state
WEIGHT: Final = "weight"  #: its field -> `WeightUsed`
REFRESHED: Final = "refreshed"  #: its field -> `RefreshDone`
BOT: Final = "bot"  #: the Telegram bot's state
REPORT: Final = "report"  #: its field -> `BotReport`

Token = Literal["missing", "refused", "unreachable", "accepted"]


class WeightUsed(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the exchange's request weight is used in this minute, by all fetchers."""

    used: int
    limit: int  #: of the exchange
    at: int  #: wall clock, UNIX ms


class RefreshDone(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the last `RefreshRequested`."""

    version: int  #: of the request
    at: int  #: when it was done, wall clock, UNIX ms
    polled: tuple[str, ...] = ()  #: "prices", "marks": what had not come by itself
    coins: int = 0  #: whose open interest and ratios were asked for ahead of their turn
    problem: str = ""  #: why not all of it could be had


class HeardChat(msgspec.Struct, frozen=True, kw_only=True):
    """A chat that has written to the bot."""

    chat_id: str
    title: str  #: of the group or channel, or the person's name
    kind: str  #: "private", "group", "supergroup", "channel"
    at: int  #: wall clock, UNIX ms
    topic_id: int | None = None


class BotReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the bot's token fares, and who wrote lately, newest first."""

    token: Token
    at: int  #: when the token was last tried, wall clock, UNIX ms
    username: str = ""  #: as Telegram knows it, without @
    chats: tuple[HeardChat, ...] = ()
