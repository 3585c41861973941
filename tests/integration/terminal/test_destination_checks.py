"""`doctor` asks each destination as far as that is possible without sending, at real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from services.terminal.checks import destinations
from services.terminal.checks.destinations import DestinationError
from services.terminal.local.listening import free_port
from shared.channels.email import EmailDestination
from shared.channels.telegram import TelegramDestination
from shared.config.environment import Environment

TOKEN = "123:right"


@pytest.fixture
async def bot_api() -> AsyncIterator[str]:
    """A Bot API that knows one token and one chat."""

    async def me(request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return web.json_response({"ok": False}, status=401)
        return web.json_response({"ok": True, "result": {"username": "my_bot"}})

    async def chat(request: web.Request) -> web.Response:
        known = request.query["chat_id"] == "42"
        return web.json_response({"ok": known, "result": {}}, status=200 if known else 400)

    app = web.Application()
    app.add_routes([web.get("/bot{token}/getMe", me), web.get("/bot{token}/getChat", chat)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("token", "chat", "said"),
    [
        (TOKEN, "42", "@my_bot sees the chat 42"),
        (TOKEN, "43", "send the bot /start"),
        ("123:wrong", "42", "does not know SEVENGATE_TELEGRAM_TOKEN"),
        ("", "42", "SEVENGATE_TELEGRAM_TOKEN is not set"),
    ],
)
async def test_telegram_is_asked_for_bot_and_chat(bot_api: str, token: str, chat: str, said: str) -> None:
    """A token that is missing or wrong and a chat that the bot does not see are named; the token is not."""
    environment = Environment(telegram_api_url=bot_api, telegram_token=token)
    try:
        found = await destinations.check(TelegramDestination(channel="telegram", chat_id=chat), environment)
    except DestinationError as error:
        found = str(error)
    assert said in found
    assert not token or token not in found


@pytest.fixture
def mail_server() -> Iterator[int]:
    """The port of a mail server with one user."""

    def judge(server: object, session: object, envelope: object, mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (b"me", b"right"), handled=False)

    controller = Controller(
        object(), hostname="127.0.0.1", port=free_port(), authenticator=judge, auth_require_tls=False
    )
    controller.start()
    yield controller.port
    controller.stop()


@pytest.mark.parametrize(
    ("password", "said"), [("right", "accepts the login"), ("wrong", "refuses the user name or password")]
)
async def test_a_mail_server_is_logged_in_to(mail_server: int, password: str, said: str) -> None:
    """The login shows whether alerts can leave; no message is sent."""
    destination = EmailDestination(
        channel="email",
        host="127.0.0.1",
        port=mail_server,
        security="none",
        allow=("127.0.0.1/32",),
        username="me",
        password=password,
        sender="me@example.org",
        to=("me@example.org",),
    )
    try:
        found = await destinations.check(destination, Environment())
    except DestinationError as error:
        found = str(error)
    assert said in found


async def test_a_webhooks_name_has_to_resolve() -> None:
    """A name that does not exist is said, and so is one that leads to this machine without `allow`."""
    with pytest.raises(DestinationError, match=r"no-such-host\.invalid is not found"):
        await destinations.web("https://no-such-host.invalid/x", ())
    with pytest.raises(DestinationError, match="not public"):
        await destinations.web("http://localhost:8123/x", ())
    assert "found" in await destinations.web("http://localhost:8123/x", ("127.0.0.0/8", "::1/128"))
