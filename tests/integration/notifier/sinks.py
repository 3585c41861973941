"""Local servers that speak the channels' protocols, with faults on demand."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from shared.config.environment import Environment
from shared.sending.channel import Outgoing, RateLimits, SendContext
from shared.sending.destination import DestinationBase

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Received:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    at: float = 0.0  #: monotonic


class Sink:
    """A webhook receiver; `answers` are used up first, then everything is accepted."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[Answer] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> Sink:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{tail:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.received.append(await _read(request))
        if self.answers:
            return await self.answers.pop(0)(request)
        return await self.accept(request)

    async def accept(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": str(len(self.received))})


async def _read(request: web.Request) -> Received:
    got = Received(request.path, dict(request.headers), b"", at=time.monotonic())
    if request.content_type.startswith("multipart/"):
        async for part in await request.multipart():
            data = bytes(await part.read())  # type: ignore[union-attr]
            name = str(part.name)  # type: ignore[union-attr]
            if part.filename:  # type: ignore[union-attr]
                got.files[name] = data
            else:
                got.fields[name] = data.decode()
    else:
        got.body = await request.read()
        if request.content_type == "application/x-www-form-urlencoded":
            got.fields = {key: str(value) for key, value in (await request.post()).items()}
        elif request.content_type == "application/json":
            got.fields = {key: str(value) for key, value in json.loads(got.body or b"{}").items()}
    return got


def status(code: int, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """Answer with *code*."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body or {}, status=code, headers=headers)

    return answer


def hang(seconds: float) -> Answer:
    """Take the request and say nothing for *seconds*."""

    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response()

    return answer


class BotApi(Sink):
    """A Bot API server: messages get running numbers; users' messages come from `updates`.

    Like Telegram's own it forgets updates once a later one is asked for, and refuses a second poller.
    """

    def __init__(self) -> None:
        super().__init__()
        self.updates: list[dict[str, Any]] = []
        self.commands: list[str] = []
        self.answered: list[str] = []  #: ids of the button presses that were answered
        self.conflicts = 0  #: polls while another one was open
        self.other_poller = False  #: another program polls with the same token
        self._number = 0
        self._polls: list[web.Request] = []

    def say(self, text: str, chat_id: int, topic_id: int | None = None) -> None:
        """Let a user write *text* in a chat."""
        command = {"type": "bot_command", "offset": 0, "length": len(text.partition(" ")[0])}
        self._add("message", _message(chat_id, topic_id) | {"text": text, "entities": [command]})

    def press(self, data: str, chat_id: int, topic_id: int | None = None) -> str:
        """Let a user press a button under a message; return the id of the press."""
        query = {
            "id": f"press-{self._number + 1}",
            "from": {"id": 1, "is_bot": False, "first_name": "x"},
            "chat_instance": "x",
            "data": data,
            "message": _message(chat_id, topic_id) | {"text": "x"},
        }
        self._add("callback_query", query)
        return str(query["id"])

    def _add(self, kind: str, value: dict[str, Any]) -> None:
        self._number += 1
        self.updates.append({"update_id": self._number, kind: value})

    async def _take(self, request: web.Request) -> web.StreamResponse:
        method = request.path.rsplit("/", 1)[1]
        if method.startswith("send"):
            return await super()._take(request)
        fields = (await _read(request)).fields
        result: Any = True
        if method == "getMe":
            result = {"id": 1, "is_bot": True, "first_name": "Seven", "username": "seven_bot"}
        elif method == "setMyCommands":
            self.commands = [item["command"] for item in json.loads(fields["commands"])]
        elif method == "answerCallbackQuery":
            self.answered.append(fields["callback_query_id"])
        elif method == "getUpdates":
            if self.other_poller or any(poll.transport and not poll.transport.is_closing() for poll in self._polls):
                self.conflicts += 1
                return await refuse(409, "Conflict: terminated by other getUpdates request")(request)
            result = await self._poll(request, int(fields.get("offset", "0")))
        return web.json_response({"ok": True, "result": result})

    async def _poll(self, request: web.Request, after: int) -> list[dict[str, Any]]:
        self._polls.append(request)
        try:
            self.updates = [item for item in self.updates if item["update_id"] >= after]
            if not self.updates:
                await asyncio.sleep(0.1)
            return self.updates
        finally:
            self._polls.remove(request)

    @property
    def calls(self) -> list[tuple[str, dict[str, str]]]:
        return [(item.path.rsplit("/", 1)[1], item.fields) for item in self.received]

    async def accept(self, request: web.Request) -> web.StreamResponse:
        number = 100 + len(self.received)
        chat = {"id": -100, "type": "supergroup", "title": "x"}
        return web.json_response({"ok": True, "result": {"message_id": number, "date": 1_767_268_800, "chat": chat}})


def _message(chat_id: int, topic_id: int | None) -> dict[str, Any]:
    chat = {"id": chat_id, "type": "private" if chat_id > 0 else "supergroup", "title": "x"}
    topic = {"message_thread_id": topic_id, "is_topic_message": True} if topic_id else {}
    return {"message_id": 9, "date": 1_767_268_800, "chat": chat, **topic}


def refuse(code: int, description: str, **parameters: Any) -> Answer:
    """Answer as the Bot API refuses."""
    body = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return status(code, body)


class Unlimited:
    """Rates and moved chats of a channel that is tried by itself: no pace, no moves."""

    async def wait(self, chat_id: str) -> float | None:
        return None

    async def hold(self, lane: str, seconds: float) -> None:
        return None

    async def held(self, *lanes: str) -> float | None:
        return None

    async def migrated(self, chat_id: str) -> str:
        return chat_id

    async def migrate(self, chat_id: str, new: str) -> None:
        return None


async def deliver(
    channel: Any,
    outgoing: Outgoing,
    destination: DestinationBase,
    rates: RateLimits | None = None,
    environment: Environment | None = None,
) -> str:
    """Send through the module *channel* alone, without queues and log; return the reference."""
    context = SendContext(environment or Environment(), rates or Unlimited(), Unlimited())
    reference: str = await channel.send(outgoing, destination, context)
    return reference
