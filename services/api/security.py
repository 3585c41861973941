"""Who may ask: the API key, the Host header, the origin of changes, sizes, and the security headers."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY: Final = 1_000_000  #: bytes
FAILURES_A_MINUTE: Final = 20
SAFE: Final = frozenset({"GET", "HEAD"})
OPEN: Final = frozenset({"/", "/health", "/favicon.ico"})  #: no data behind them
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Refusal(Exception):  # noqa: N818 it is an answer, not a fault
    """The request ends here with *status*."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


class Guard:
    """ASGI middleware before everything else."""

    def __init__(self, app: ASGIApp, *, key: str = "", hosts: tuple[str, ...] = ()) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)
        self._digest = _digest(key.encode()) if key else b""
        self._failures: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self.check(scope, time.monotonic())
        except Refusal as refusal:
            await _answer(refusal, with_headers(send))
            return
        await self.app(scope, _bounded(receive), with_headers(send))

    def check(self, scope: Scope, now: float) -> None:
        """Raise `Refusal` where the request may not go on."""
        headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        host = headers.get("host", b"").decode("latin-1")
        self._check_size(headers)
        if not self._digest and not self.is_own(host):
            raise Refusal(421, "this host name is not served here: set SEVENGATE_API_HOSTS, or an API key")
        if scope["method"] not in SAFE:
            _check_change(scope, headers, host)
        if self._digest and not (scope["method"] in SAFE and is_open(scope["path"])):
            self._check_key(headers, (scope.get("client") or ("", 0))[0], now)

    def is_own(self, host: str) -> bool:
        """Return whether *host* cannot be a stranger's name that was pointed at this machine (DNS rebinding).

        An address is not a name; a name without a dot is one of the local network.
        """
        name = _host_name(host).lower().rstrip(".")
        if not name:
            return False
        if "." not in name and ":" not in name:
            return True
        if name.endswith(".localhost") or name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _check_size(self, headers: Mapping[str, bytes]) -> None:
        try:
            length = int(headers.get("content-length", b"0"))
        except ValueError as error:
            raise Refusal(400, "content-length is not a number") from error
        if length > MAX_BODY:
            raise Refusal(413, "too large")

    def _check_key(self, headers: Mapping[str, bytes], client: str, now: float) -> None:
        scheme, _, token = headers.get("authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get("x-api-key", b"")
        if given and hmac.compare_digest(_digest(given), self._digest):
            return
        if given and self._too_many(client, now):
            raise Refusal(429, "too many wrong keys", {"retry-after": "60"})
        raise Refusal(401, "an API key is needed, as 'Authorization: Bearer KEY'", {"www-authenticate": "Bearer"})

    def _too_many(self, client: str, now: float) -> bool:
        """Count a failure; return whether there were too many in the last minute."""
        if len(self._failures) > 10_000:
            self._failures.clear()
        failures = self._failures.setdefault(client, deque(maxlen=FAILURES_A_MINUTE + 1))
        failures.append(now)
        return len(failures) > FAILURES_A_MINUTE and failures[0] > now - 60.0


def is_open(path: str) -> bool:
    """Return whether *path* is the page itself, which holds no data."""
    return path in OPEN or path.startswith("/assets/")


def _check_change(scope: Scope, headers: Mapping[str, bytes], host: str) -> None:
    """A change comes from the page itself or from a program, never from another site in a browser."""
    origin = headers.get("origin")
    if origin is not None and origin.decode("latin-1").partition("://")[2].lower() != host.lower():
        raise Refusal(403, "changes from another origin are refused")
    if headers.get("sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
        raise Refusal(403, "changes from another site are refused")
    has_body = headers.get("content-length", b"0") != b"0" or "transfer-encoding" in headers
    media_type = headers.get("content-type", b"").partition(b";")[0].strip().lower()
    if has_body and media_type not in (b"application/json", b"application/merge-patch+json"):
        raise Refusal(415, "the body has to be application/json")


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def with_headers(send: Send) -> Send:
    """Add the security headers to every answer."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            held = list(message.get("headers", []))
            names = {name.lower() for name, _ in held}
            if b"cache-control" not in names:
                held.append((b"cache-control", b"no-store"))
            message["headers"] = [*held, *HEADERS]
        await send(message)

    return wrapped


def _bounded(receive: Receive) -> Receive:
    """Refuse a body that grows beyond the limit without having said so."""
    received = 0

    async def wrapped() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            return {"type": "http.disconnect"}
        return message

    return wrapped


async def _answer(refusal: Refusal, send: Send) -> None:
    body = msgspec.json.encode({"detail": refusal.detail})
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.encode(), value.encode()) for name, value in refusal.headers.items()),
    ]
    start: dict[str, Any] = {"type": "http.response.start", "status": refusal.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
