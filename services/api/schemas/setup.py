"""What the set-up is shown."""

from __future__ import annotations

from typing import Literal

from services.api.schemas.base import Shown


class FoundChat(Shown):
    """A chat that wrote to the bot."""

    chat_id: str
    topic_id: int | None
    title: str
    kind: str
    """private, group, supergroup or channel"""
    at: int
    """when it wrote, wall clock, UNIX ms"""
    destination: str | None
    """the destination that leads there already"""


class TelegramSetup(Shown):
    """How the bot's token fares, and who wrote to it."""

    token: Literal["missing", "refused", "unreachable", "accepted", "unknown"]
    advice: str
    """what to do about it; empty where it works"""
    username: str
    """of the bot, without @"""
    chats: list[FoundChat]
    """newest first"""
