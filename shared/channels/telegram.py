"""Telegram: the card with its caption, replies to the parent, forum topics."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field

from shared.network.authorities import trusted
from shared.network.proxies import proxy_for
from shared.sending import departure
from shared.sending.channel import Channel, ChannelLimits, Outgoing, SendContext
from shared.sending.destination import DestinationBase
from shared.sending.lazy import LazyModule
from shared.sending.results import Ambiguous, Later, Rejected, Suspended
from shared.sending.text import Text

if TYPE_CHECKING:
    import httpx
    import telegram
    import telegram.request
else:
    httpx = LazyModule("httpx")
    telegram = LazyModule("telegram")

CAPTION: Final = 1_024  #: Telegram's limits, in UTF-16 units after its entities are parsed
MESSAGE: Final = 4_096
HTML: Final = "HTML"
AT_ONCE: Final = 64  #: messages under way: a process sends to several chats, and none waits for another's
BUTTONS_FOR: Final = frozenset({"signal", "anomaly", "price"})
LONGEST_CALLBACK: Final = 64  #: bytes
#: parts of the Bot API's descriptions of a 400 that no repetition changes: the chat, its topic or a right is gone
FOR_GOOD: Final = (
    "chat not found",
    "message thread not found",
    "topic_closed",
    "topic_deleted",
    "not enough rights",
    "no rights to send",
    "need administrator rights",
    "chat_write_forbidden",
    "chat_send_plain_forbidden",
    "chat_admin_required",
    "chat_restricted",
    "group chat was deactivated",
    "peer_id_invalid",
    "user_is_blocked",
)


def _chat_id(text: str) -> str:
    if not re.fullmatch(r"-?\d+|@\w+", text, re.ASCII):
        raise ValueError(f"{text!r} is not a chat's id such as 123456789, which the bot answers to /start")
    return text


class TelegramDestination(DestinationBase):
    channel: Literal["telegram"]
    chat_id: Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_chat_id)]
    topic_id: int | None = None


_bots: dict[tuple[str, str, float], telegram.Bot] = {}


def bot_of(api_url: str, token: str, timeout: float) -> telegram.Bot:
    """Return the bot with its client; a process needs one."""
    if not token:
        raise Rejected("no token", "SEVENGATE_TELEGRAM_TOKEN is not set")
    key = (api_url, token, timeout)
    if key not in _bots:
        url = api_url.rstrip("/")
        try:
            _bots[key] = telegram.Bot(
                token, base_url=f"{url}/bot", base_file_url=f"{url}/file/bot", request=request_of(url, timeout)
            )
        except telegram.error.InvalidToken as error:
            raise Suspended("bad token") from error
    return _bots[key]


async def _leaves(_: httpx.Request) -> None:
    departure.leave()


def request_of(url: str, timeout: float) -> telegram.request.HTTPXRequest:
    """Return what asks Telegram at *url*: through the proxy that is meant for it, and no other."""
    return telegram.request.HTTPXRequest(
        connection_pool_size=AT_ONCE,
        connect_timeout=min(5.0, timeout),
        read_timeout=timeout,
        write_timeout=timeout,
        media_write_timeout=timeout,
        # a kept connection that the server has just closed makes an outcome ambiguous
        httpx_kwargs={
            "limits": httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=0),
            "trust_env": False,
            "event_hooks": {"request": [_leaves]},
            "verify": trusted(),
        },
        proxy=proxy_for(url),
    )


async def turn(destination: TelegramDestination, context: SendContext) -> float | None:
    """Take the chat's next moment: None when it is now, else the seconds until it may be asked for again."""
    return await context.rates.wait(destination.chat_id)


async def send(outgoing: Outgoing, destination: TelegramDestination, context: SendContext) -> str:
    """Send the card, or the text where there is none; the message's id is the reference."""
    environment = context.environment
    bot = bot_of(environment.telegram_api_url, environment.telegram_token.get_secret_value(), outgoing.timeout)
    chat_id = await context.moved_chats.migrated(destination.chat_id)
    try:
        message = await _send(bot, outgoing, destination, chat_id)
    except telegram.error.ChatMigrated as error:
        await context.moved_chats.migrate(destination.chat_id, str(error.new_chat_id))
        raise Later("chat migrated", str(error.new_chat_id)) from error
    except telegram.error.TelegramError as error:
        outcome = outcome_of(error)
        if isinstance(outcome, Later) and outcome.after:
            await context.rates.hold(destination.chat_id, outcome.after)
        raise outcome from error
    return str(message.message_id)


async def _send(
    bot: telegram.Bot, outgoing: Outgoing, destination: TelegramDestination, chat_id: str
) -> telegram.Message:
    """Send with markup and picture; where one of them is refused, without it."""
    mode: str | None = HTML
    card = outgoing.card()
    while True:
        try:
            return await _send_as(bot, outgoing, destination, chat_id, mode, card)
        except telegram.error.BadRequest as error:
            said = error.message.lower()
            if mode is not None and "parse entities" in said:
                mode = None
            elif card is not None and ("photo" in said or "image" in said):  # groups can forbid pictures
                card = None
            else:
                raise


async def _send_as(
    bot: telegram.Bot,
    outgoing: Outgoing,
    destination: TelegramDestination,
    chat_id: str,
    mode: str | None,
    card: bytes | None,
) -> telegram.Message:
    reply = (
        telegram.ReplyParameters(int(outgoing.reply_to), allow_sending_without_reply=True)
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


def _in(text: Text, mode: str | None) -> str:
    return text.plain if mode is None else text.html


def buttons_for(outgoing: Outgoing) -> telegram.InlineKeyboardMarkup | None:
    """Return the buttons under an alert about one coin."""
    symbol = outgoing.alert.symbol
    if outgoing.alert.kind not in BUTTONS_FOR or not symbol or len(f"chart {symbol}".encode()) > LONGEST_CALLBACK:
        return None
    row = [("Mute 4 h", "mute"), ("Why", "why"), ("Chart", "chart")]
    return telegram.InlineKeyboardMarkup(
        [[telegram.InlineKeyboardButton(text, callback_data=f"{verb} {symbol}") for text, verb in row]]
    )


def outcome_of(error: telegram.error.TelegramError) -> Exception:
    """Return the outcome of the library's error."""
    match error:
        case telegram.error.RetryAfter():
            after = error.retry_after
            return Later("http 429", after=after.total_seconds() if isinstance(after, timedelta) else float(after))
        case telegram.error.Forbidden():
            return Suspended("http 403", error.message)
        case telegram.error.InvalidToken():
            return Suspended("bad token", error.message)
        case telegram.error.BadRequest():
            for_good = any(words in error.message.lower() for words in FOR_GOOD)
            return (Suspended if for_good else Rejected)("http 400", error.message)
        case telegram.error.NetworkError():
            return _broken(error)
    return Rejected("refused", error.message)


def _broken(error: telegram.error.NetworkError) -> Exception:
    cause = error.__cause__
    if isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)):
        return Later("no connection", type(cause).__name__)
    if isinstance(error, telegram.error.TimedOut):
        return Ambiguous("no answer in time")
    if isinstance(cause, httpx.HTTPError):
        return Ambiguous("connection broke", type(cause).__name__)
    if cause is not None:  # something that the library does not know
        return (Ambiguous if departure.has_left() else Later)("connection broke", type(cause).__name__)
    return Later("server error", error.message)  # an answer that says it failed


ENTRY: Final = Channel(
    name="telegram",
    title="Telegram",
    settings=TelegramDestination,
    send=send,
    tells_departure=True,
    turn=turn,
    limits=ChannelLimits(
        text=MESSAGE, caption=CAPTION, pace="one message a second to a chat, twenty a minute to a group"
    ),
    examples={
        "phone": {"channel": "telegram", "chat_id": "123456789"},
        "desk": {"channel": "telegram", "chat_id": "-1001234567890", "topic_id": 7},
    },
    summary=(
        "Needs `SEVENGATE_TELEGRAM_TOKEN`; `topic_id` is a forum's topic. Send `/start` to the bot to learn a "
        "chat's id. Signals, lifecycles, groups, price alerts and anomalies come as a picture with a caption, or "
        "in words where a group forbids pictures; the end of a signal answers to the signal's message."
    ),
)
