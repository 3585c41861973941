"""The Telegram bot: one poller among all processes, answering the chats that are destinations."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any, Final, cast

import structlog
from redis.exceptions import RedisError
from telegram import BotCommand, Message, Update
from telegram.constants import ParseMode
from telegram.error import BadRequest, TelegramError
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

from services.notifier.commands import HELP, Commands, Place, Reply
from services.notifier.ledger import Ledger
from services.notifier.rest import HttpApi
from services.notifier.text import MESSAGE
from shared.bus import Lease, RedisBus
from shared.destinations import TelegramDestination
from shared.service import Service

LEASE_MS: Final = 9_000
BUTTONS: Final = ("why", "chart", "mute")

log = structlog.get_logger()


async def run_bot(service: Service, bus: RedisBus) -> None:
    """Poll while this process holds the bot's lease; without a token there is nothing to do."""
    if not service.environment.telegram_token.get_secret_value():
        return
    lease = Lease("bot", f"{service.instance}-{secrets.token_hex(4)}")
    while not service.stopping.is_set():
        with contextlib.suppress(RedisError, OSError):
            if await bus.acquire(lease, ttl_ms=LEASE_MS):
                await _serve(service, bus, lease)
        await service.pause(LEASE_MS / 4_000)


async def _serve(service: Service, bus: RedisBus, lease: Lease) -> None:
    api = HttpApi(service.environment.api_address, service.environment.api_key.get_secret_value())
    bot = Bot(service, Ledger(bus), Commands(api))
    try:
        async with bot.polling():
            while not service.stopping.is_set() and await bus.renew(lease, ttl_ms=LEASE_MS):
                await service.pause(LEASE_MS / 3_000)
    except TelegramError as error:
        log.warning("the bot cannot poll", error=type(error).__name__)
        await service.pause(10.0)
    finally:
        await api.close()
        with contextlib.suppress(RedisError, OSError):
            await bus.release(lease)


class Bot:
    """Hears commands and buttons, and answers."""

    def __init__(self, service: Service, ledger: Ledger, commands: Commands) -> None:
        self._service, self._ledger, self._commands = service, ledger, commands

    @contextlib.asynccontextmanager
    async def polling(self) -> Any:
        """Poll while the block runs."""
        environment = self._service.environment
        url = environment.telegram_api_url.rstrip("/")
        builder = ApplicationBuilder().token(environment.telegram_token.get_secret_value())
        builder = builder.base_url(f"{url}/bot").base_file_url(f"{url}/file/bot")
        application = builder.rate_limiter(AIORateLimiter(max_retries=2)).build()
        application.add_handler(MessageHandler(filters.COMMAND, self._hear))
        application.add_handler(CallbackQueryHandler(self._press))
        application.add_error_handler(_failed)
        async with application:
            await self._register(application)
            await application.start()
            updater = cast("Updater", application.updater)
            await updater.start_polling(allowed_updates=[Update.MESSAGE, Update.CALLBACK_QUERY])
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
        word, *words = message.text.split()
        name, _, bot = word.removeprefix("/").lower().partition("@")
        if bot and bot != context.bot.username.lower():
            return  # said to another bot of the group
        place = await self.place_of(str(message.chat_id), message.message_thread_id)
        if name == "start":
            await _say(message, _welcome(message.chat_id, place))
        elif place is not None:
            await _say(message, await self._commands.answer(name, words, place))

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
        """Return what is known of a chat; None for one that is no destination: it gets no answer."""
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
            return await self._ledger.migrated(chat_id)
        except (RedisError, OSError):
            return chat_id


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
