"""The Telegram bot: one poller among all processes, answering the chats that are destinations."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from typing import Any, Final, cast

import structlog
from redis.exceptions import RedisError
from telegram import BotCommand, Message, Update
from telegram.constants import ParseMode
from telegram.error import BadRequest, Conflict, InvalidToken, TelegramError
from telegram.ext import (
    AIORateLimiter,
    Application,
    ApplicationBuilder,
    CallbackQueryHandler,
    ContextTypes,
    MessageHandler,
    Updater,
    filters,
)

from services.notifier.bot.api_client import HttpApi
from services.notifier.bot.bot_reports import BotReports, now_ms
from services.notifier.bot.commands import HELP, Commands, Place, Reply
from services.notifier.delivery.delivery_log import DeliveryLog
from shared.bus import Lease, RedisBus
from shared.channels.telegram import MESSAGE, TelegramDestination, request_of
from shared.config.environment import Environment
from shared.network.proxies import ProxyError
from shared.reports import HeardChat
from shared.runtime.service import Service

LEASE_MS: Final = 9_000
TIMEOUT_S: Final = 5.0  #: of a request; a poll waits longer by itself
SAME_ERROR_S: Final = 600.0  #: between two lines about the same polling error
BUTTONS: Final = ("why", "chart", "mute")

log = structlog.get_logger()


async def run_bot(service: Service, bus: RedisBus) -> None:
    """Poll while this process holds the bot's lease."""
    reports = BotReports(bus)
    logging.getLogger("telegram.ext.Updater").setLevel(logging.CRITICAL)  # `PollingErrors` says it without a traceback
    lease = Lease("bot", f"{service.instance}-{secrets.token_hex(4)}")
    while not service.stopping.is_set():
        with contextlib.suppress(RedisError, OSError):
            if await bus.acquire(lease, ttl_ms=LEASE_MS):
                await _serve(service, bus, lease, reports)
        await service.pause(LEASE_MS / 4_000)


async def _serve(service: Service, bus: RedisBus, lease: Lease, reports: BotReports) -> None:
    api = HttpApi(service.environment.api_address, service.environment.api_credential)
    bot = Bot(service, DeliveryLog(bus), Commands(api), reports)
    try:
        async with bot.polling():
            while not service.stopping.is_set() and await bus.renew(lease, ttl_ms=LEASE_MS):
                await service.pause(LEASE_MS / 3_000)
    except (TelegramError, ProxyError) as error:
        await reports.token("refused" if isinstance(error, InvalidToken) else "unreachable")
        log.warning("the bot cannot poll", error=type(error).__name__)
        await service.pause(10.0)
    finally:
        await api.close()
        with contextlib.suppress(RedisError, OSError):
            await bus.release(lease)


def application_of(environment: Environment) -> Any:
    """Return the library's application for the bot of *environment*."""
    url = environment.telegram_api_url.rstrip("/")
    builder = ApplicationBuilder().token(environment.telegram_token.get_secret_value())
    builder = builder.base_url(f"{url}/bot").base_file_url(f"{url}/file/bot")
    builder = builder.request(request_of(url, TIMEOUT_S)).get_updates_request(request_of(url, TIMEOUT_S))
    return builder.rate_limiter(AIORateLimiter(max_retries=2)).build()


class Bot:
    """Answers commands and buttons."""

    def __init__(self, service: Service, delivery_log: DeliveryLog, commands: Commands, reports: BotReports) -> None:
        self._service, self._delivery_log, self._commands = service, delivery_log, commands
        self._reports = reports

    @contextlib.asynccontextmanager
    async def polling(self) -> Any:
        """Poll while the block runs."""
        application = application_of(self._service.environment)
        application.add_handler(MessageHandler(filters.COMMAND, self._hear))
        application.add_handler(MessageHandler(filters.ChatType.PRIVATE & ~filters.COMMAND, self._note))
        application.add_handler(CallbackQueryHandler(self._press))
        application.add_error_handler(_failed)
        async with application:
            await self._reports.token("accepted", application.bot.username)
            await self._register(application)
            await application.start()
            updater = cast("Updater", application.updater)
            await updater.start_polling(
                allowed_updates=[Update.MESSAGE, Update.CALLBACK_QUERY], error_callback=PollingErrors().report
            )
            log.info("the bot listens")
            try:
                yield
            finally:
                await updater.stop()
                await application.stop()

    async def _register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        known = {"start": "this chat's id", **HELP}
        await application.bot.set_my_commands([BotCommand(name, text[:256]) for name, text in known.items()])

    async def _hear(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.message
        if message is None or not message.text:
            return
        await self._note(update, context)
        word, *words = message.text.split()
        name, _, bot = word.removeprefix("/").lower().partition("@")
        if bot and bot != context.bot.username.lower():
            return  # said to another bot of the group
        place = await self.place_of(str(message.chat_id), message.message_thread_id)
        if name == "start":
            await _say(message, _welcome(message.chat_id, place))
        elif place is not None:
            await _say(message, await self._commands.answer(name, words, place))

    async def _note(self, update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        """Leave word of the chat, so that the set-up can offer it."""
        if (message := update.message) is not None:
            await self._reports.heard(heard_chat(message))

    async def _press(self, update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        query = update.callback_query
        if query is None or not query.data or not isinstance(query.message, Message):
            return
        name, symbol = query.data.partition(" ")[::2]
        place = await self.place_of(str(query.message.chat_id), query.message.message_thread_id)
        if place is None or name not in BUTTONS:
            await query.answer()
            return
        reply = await self._commands.answer(name, [symbol, "4h"] if name == "mute" else [symbol], place)
        await query.answer()
        await _say(query.message, reply)

    async def place_of(self, chat_id: str, topic_id: int | None) -> Place | None:
        """Return the chat's place; None for a chat that is no destination: it gets no answer."""
        settings = self._service.settings.settings
        telegram = {
            name: destination
            for name, destination in settings.destinations.items()
            if isinstance(destination, TelegramDestination)
        }
        names = [
            name
            for name, chosen in telegram.items()
            if chat_id in (chosen.chat_id, await self._migrated(chosen.chat_id))
        ]
        if not names:
            return None
        exact = [name for name in names if telegram[name].topic_id == topic_id] or names
        return Place(tuple(exact), settings.presentation.timezone, settings.presentation.theme)

    async def _migrated(self, chat_id: str) -> str:
        try:
            return await self._delivery_log.migrated(chat_id)
        except (RedisError, OSError):
            return chat_id


def heard_chat(message: Message) -> HeardChat:
    """Return where *message* was written."""
    chat = message.chat
    title = chat.title or chat.full_name or chat.username or str(chat.id)
    topic = message.message_thread_id if message.is_topic_message else None
    return HeardChat(chat_id=str(chat.id), title=title[:100], kind=chat.type, at=now_ms(), topic_id=topic)


class PollingErrors:
    """Logs each kind of polling error once in a while, in a sentence, instead of at every poll with a traceback."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}

    def report(self, error: TelegramError) -> None:
        name, now = type(error).__name__, time.monotonic()
        if now - self._logged.get(name, -SAME_ERROR_S) < SAME_ERROR_S:
            return
        self._logged[name] = now
        if isinstance(error, Conflict):
            log.warning("another program polls with this token: stop it, or give Sevengate a bot of its own")
        else:
            log.warning("the bot cannot poll", error=name)


def _welcome(chat_id: int, place: Place | None) -> Reply:
    known = "It is a destination: /help lists the commands." if place else "It is not a destination yet."
    return Reply(f"This chat's id is <code>{chat_id}</code>. {known}")


async def _say(message: Message, reply: Reply) -> None:
    """Answer in the chat and topic that asked; as plain text where the markup is refused."""
    try:
        if reply.picture is not None:
            await message.reply_photo(reply.picture, caption=reply.text, parse_mode=ParseMode.HTML)
        else:
            await message.reply_text(_whole_lines(reply.text), parse_mode=ParseMode.HTML)
    except BadRequest:
        await message.reply_text(_whole_lines(reply.text))


def _whole_lines(text: str) -> str:
    while len(text) > MESSAGE:
        text = text.rpartition("\n")[0] or text[: MESSAGE - 1]
    return text


async def _failed(update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    log.warning("the bot failed", error=type(context.error).__name__)
