"""Telegram: the card with its caption, replies to the parent, forum topics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import httpx
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Message, ReplyParameters
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.error import TimedOut as TimedOutError
from telegram.request import HTTPXRequest

from services.notifier.channels.outcome import Ambiguous, Later, NotDelivered, Outgoing, Parked, Rejected
from services.notifier.text import CAPTION, MESSAGE, Text
from shared.destinations import TelegramDestination

NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
BUTTONS_FOR: Final = frozenset({"signal", "anomaly", "price"})
NOWHERE: Final = ("chat not found", "message thread not found")
LONGEST_CALLBACK: Final = 64  #: bytes


class Migrated(NotDelivered):
    """The group has become a supergroup with another id."""

    def __init__(self, chat_id: str) -> None:
        super().__init__("chat migrated", chat_id)
        self.chat_id = chat_id


@dataclass(frozen=True)
class Account:
    """The bot that speaks."""

    api_url: str
    token: str


_bots: dict[tuple[Account, float], Bot] = {}


def bot_of(account: Account, timeout: float) -> Bot:
    """Return the bot with its kept connections; a process needs one."""
    if not account.token:
        raise Rejected("no token", "SEVENGATE_TELEGRAM_TOKEN is not set")
    key = (account, timeout)
    if key not in _bots:
        request = HTTPXRequest(
            connection_pool_size=4,
            connect_timeout=min(5.0, timeout),
            read_timeout=timeout,
            write_timeout=timeout,
            media_write_timeout=timeout,
            # a kept connection that the server has just closed makes an outcome ambiguous
            httpx_kwargs={"limits": httpx.Limits(max_connections=4, max_keepalive_connections=0)},
        )
        url = account.api_url.rstrip("/")
        try:
            _bots[key] = Bot(account.token, base_url=f"{url}/bot", base_file_url=f"{url}/file/bot", request=request)
        except InvalidToken as error:
            raise Parked("bad token") from error
    return _bots[key]


async def send(outgoing: Outgoing, destination: TelegramDestination, account: Account, chat_id: str) -> str:
    """Send the card, or the text where there is none; the message's id is the reference."""
    bot = bot_of(account, outgoing.settings.delivery.timeout_seconds)
    try:
        message = await _send(bot, outgoing, destination, chat_id)
    except TelegramError as error:
        raise outcome_of(error) from error
    return str(message.message_id)


async def _send(bot: Bot, outgoing: Outgoing, destination: TelegramDestination, chat_id: str) -> Message:
    """Send it with markup and picture; without what is refused rather than not at all."""
    mode: ParseMode | None = ParseMode.HTML
    card = outgoing.card()
    while True:
        try:
            return await _send_as(bot, outgoing, destination, chat_id, mode, card)
        except BadRequest as error:
            said = error.message.lower()
            if mode is not None and "parse entities" in said:
                mode = None
            elif card is not None and ("photo" in said or "image" in said):  # groups can forbid pictures
                card = None
            else:
                raise


async def _send_as(
    bot: Bot,
    outgoing: Outgoing,
    destination: TelegramDestination,
    chat_id: str,
    mode: ParseMode | None,
    card: bytes | None,
) -> Message:
    reply = (
        ReplyParameters(int(outgoing.reply_to), allow_sending_without_reply=True)
        if outgoing.reply_to.isdecimal()
        else None
    )
    topic, buttons = destination.topic_id, buttons_for(outgoing)
    if card is None:
        return await bot.send_message(
            chat_id,
            _in(outgoing.text.cut(MESSAGE), mode),
            parse_mode=mode,
            reply_parameters=reply,
            message_thread_id=topic,
            reply_markup=buttons,
        )
    return await bot.send_photo(
        chat_id,
        card,
        caption=_in(outgoing.text.cut(CAPTION), mode),
        parse_mode=mode,
        reply_parameters=reply,
        message_thread_id=topic,
        reply_markup=buttons,
        filename="card.png",
    )


def _in(text: Text, mode: ParseMode | None) -> str:
    return text.plain if mode is None else text.html


def buttons_for(outgoing: Outgoing) -> InlineKeyboardMarkup | None:
    """Return the buttons under an alert about one coin."""
    symbol = outgoing.alert.symbol
    if outgoing.alert.kind not in BUTTONS_FOR or not symbol or len(f"chart {symbol}".encode()) > LONGEST_CALLBACK:
        return None
    row = [("Mute 4 h", "mute"), ("Why", "why"), ("Chart", "chart")]
    return InlineKeyboardMarkup([[InlineKeyboardButton(text, callback_data=f"{verb} {symbol}") for text, verb in row]])


def outcome_of(error: TelegramError) -> Exception:  # noqa: PLR0911 - one return an error
    """Return what the library's error means for this attempt."""
    match error:
        case RetryAfter():
            after = error.retry_after
            return Later("http 429", after=after.total_seconds() if isinstance(after, timedelta) else float(after))
        case ChatMigrated():
            return Migrated(str(error.new_chat_id))
        case Forbidden():
            return Parked("http 403", error.message)
        case InvalidToken():
            return Parked("bad token", error.message)
        case BadRequest():
            nowhere = any(words in error.message.lower() for words in NOWHERE)
            return (Parked if nowhere else Rejected)("http 400", error.message)
        case TimedOutError() | NetworkError():
            return _broken(error)
    return Rejected("refused", error.message)


def _broken(error: NetworkError) -> Exception:
    cause = error.__cause__
    if isinstance(cause, NOT_SENT):
        return Later("no connection", type(cause).__name__)
    if isinstance(error, TimedOutError):
        return Ambiguous("no answer in time")
    if isinstance(cause, httpx.HTTPError):
        return Ambiguous("connection broke", type(cause).__name__)
    return Later("server error", error.message)  # an answer that says it failed
