"""HEAD on every GET, and an ETag on every JSON answer: an unchanged one costs a few bytes."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOT_MODIFIED: Final = 304


class Conditional:
    """ASGI middleware around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        wanted = Headers(scope=scope).get("if-none-match", "")
        inner = {**scope, "method": "GET", "sevengate.head": True} if is_head else scope
        await self.app(inner, receive, Answer(send, wanted, is_head=is_head).send)


class Answer:
    """Holds a JSON answer back until its ETag is known; anything else goes through as it comes."""

    def __init__(self, send: Send, wanted: str, *, is_head: bool) -> None:
        self._send = send
        self._wanted = {tag.strip().removeprefix("W/") for tag in wanted.split(",")} if wanted else set()
        self._is_head = is_head
        self._start: Message | None = None
        self._body = bytearray()
        self._is_over = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._started(message)
        elif self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._whole(self._start, bytes(self._body))
        elif not self._is_head:
            await self._send(message)
        elif not self._is_over:
            self._is_over = True
            await self._send({"type": "http.response.body", "body": b""})

    async def _started(self, message: Message) -> None:
        kind = Headers(raw=message.get("headers", [])).get("content-type", "")
        if message["status"] == 200 and kind.startswith("application/json"):
            self._start = message
            return
        await self._send(message)

    async def _whole(self, start: Message, body: bytes) -> None:
        tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        headers: list[Any] = [
            *start.get("headers", []),
            (b"etag", b"W/" + tag.encode()),
            (b"cache-control", b"no-cache"),
        ]
        is_held = tag in self._wanted or "*" in self._wanted
        if is_held:
            headers = [(name, value) for name, value in headers if name not in (b"content-length", b"content-type")]
        await self._send({**start, "status": NOT_MODIFIED if is_held else start["status"], "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if is_held or self._is_head else body})
