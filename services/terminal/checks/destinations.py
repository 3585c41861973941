"""Whether each destination can be reached, as far as that shows without sending anything."""

from __future__ import annotations

import asyncio
import socket
from typing import Final
from urllib.parse import urlsplit

import aiosmtplib
import httpx

from services.terminal.checks.web import web_client
from shared.channels.discord import DiscordDestination
from shared.channels.email import EmailDestination
from shared.channels.telegram import TelegramDestination
from shared.channels.webhook import WebhookDestination
from shared.config.environment import Environment
from shared.network import addresses
from shared.network.proxies import ProxyError
from shared.sending.destination import DestinationBase

PATIENCE_SECONDS: Final = 10.0


class DestinationError(Exception):
    """The destination cannot be reached, or refuses us; the text says why and what to do."""


async def check(destination: DestinationBase, environment: Environment) -> str:
    """Return one line about *destination*; raise `DestinationError` where it cannot be reached."""
    try:
        match destination:
            case TelegramDestination(chat_id=chat_id):
                return await telegram(chat_id, environment)
            case EmailDestination():
                return await mail(destination)
            case WebhookDestination() | DiscordDestination():
                return await web(destination.url.get_secret_value(), destination.allow)
            case _:
                return "not checked: Apprise can only be checked by sending (./sevengate test-alert)"
    except ProxyError as error:
        raise DestinationError(str(error)) from error


async def telegram(chat_id: str, environment: Environment) -> str:
    """Ask the Bot API who the token belongs to, and for the chat."""
    token = environment.telegram_token.get_secret_value()
    if not token:
        raise DestinationError("SEVENGATE_TELEGRAM_TOKEN is not set: get a token from @BotFather")
    base = f"{environment.telegram_api_url.rstrip('/')}/bot{token}"
    try:
        async with web_client(environment.telegram_api_url, timeout=PATIENCE_SECONDS) as client:
            me = await client.get(f"{base}/getMe")
            if me.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND):
                raise DestinationError("Telegram does not know SEVENGATE_TELEGRAM_TOKEN: copy it again from @BotFather")
            name = me.raise_for_status().json()["result"]["username"]
            chat = await client.get(f"{base}/getChat", params={"chat_id": chat_id})
    except (httpx.HTTPError, KeyError, ValueError) as error:
        # its text may hold the address, and that the token
        raise DestinationError(f"Telegram does not answer as it should ({type(error).__name__})") from None
    if chat.status_code == httpx.codes.BAD_REQUEST:
        raise DestinationError(f"@{name} does not see the chat {chat_id}: send the bot /start there first")
    return f"@{name} sees the chat {chat_id}"


async def mail(destination: EmailDestination) -> str:
    """Log in at the mail server."""
    await web(f"smtp://{destination.host}", destination.allow)
    client = aiosmtplib.SMTP(
        hostname=destination.host,
        port=destination.port,
        use_tls=destination.security == "tls",
        start_tls=destination.security == "starttls",
        username=destination.username or None,
        password=destination.password.get_secret_value() or None,
        cert_bundle=destination.ca_file or None,
        timeout=PATIENCE_SECONDS,
    )
    try:
        async with client:
            pass
    except aiosmtplib.SMTPAuthenticationError as error:
        raise DestinationError(f"{destination.host} refuses the user name or password ({error.code})") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise DestinationError(f"{destination.host}:{destination.port}: {' '.join(str(error).split())}") from error
    return f"{destination.host} accepts the login" if destination.username else f"{destination.host} answers"


async def web(url: str, allow: tuple[str, ...]) -> str:
    """Resolve the name of *url*, and judge where it leads."""
    host = urlsplit(url).hostname or ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DestinationError(f"the name {host} is not found ({error.strerror or error})") from error
    literals = {addresses.literal(str(item[4][0])) for item in found}
    refused = [address for address in literals if address is None or not addresses.permitted(address, allow)]
    if len(refused) == len(literals):
        raise DestinationError(f"{host} leads to {refused[0]}, which is not public: put its network into `allow`")
    return f"{host} is found"
