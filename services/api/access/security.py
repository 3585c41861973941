"""Access: credentials, the Host header, the origin of changes, sizes, and the security headers."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import problems
from services.api.access.brake import Brake
from services.api.access.keyring import ANYBODY, SESSION_DAYS, Caller, Keyring

__all__ = ["SESSION_COOKIE", "SESSION_DAYS", "Guard", "Refusal", "Who"]

MAX_BODY: Final = 1_000_000  #: bytes
BODY_SECONDS: Final = 20.0  #: within which a body has to arrive
SAFE: Final = frozenset({"GET", "HEAD"})
SESSION: Final = "/api/session"  #: where a session begins: it has no credential yet
SESSION_COOKIE: Final = "sevengate_session"
NEEDS_KEY: Final = "this needs a key, as 'Authorization: Bearer KEY' (./sevengate keys make NAME), or a session"
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
        b"font-src 'self'; media-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
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

    def __init__(self, app: ASGIApp, *, keyring: Keyring, hosts: tuple[str, ...] = (), root_path: str = "") -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)
        self._keyring = keyring
        self._brake = Brake()
        self._root = root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            caller = self.check(scope, time.monotonic(), time.time_ns() // 1_000_000)
        except Refusal as refusal:
            refused = problems.problem(refusal.status, refusal.detail, headers=refusal.headers)
            await refused(scope, receive, with_headers(send))
            return
        scope.setdefault("state", {})["caller"] = caller
        scope["root_path"] = self._root
        await self.app(scope, _bounded(receive), with_headers(send))

    def check(self, scope: Scope, now: float, wall: int = 0) -> Caller:
        """Return who asks; raise `Refusal` where the request may not go on.

        *now* is a monotonic clock in seconds, *wall* the wall clock in ms.
        """
        headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        _check_size(headers)
        is_change = scope["method"] not in SAFE
        if is_change:
            _check_change(scope, headers)
        path = scope["path"].removeprefix(self._root)
        caller = self._caller(headers, (scope.get("client") or ("", 0))[0], now, wall)
        if caller is not None and (caller.rights == "write" or not is_change):
            return caller
        if caller is not None:
            raise Refusal(403, f"the key {caller.name!r} may only read")
        self._check_host(headers)
        if is_open(path, scope["method"]) or (not is_change and _is_local(scope, headers)):
            return ANYBODY
        raise Refusal(401, NEEDS_KEY, {"www-authenticate": "Bearer"})

    def _caller(self, headers: Mapping[str, bytes], client: str, now: float, wall: int) -> Caller | None:
        """Return whose credential the request carries, None without one; raise `Refusal` where it is wrong."""
        scheme, _, token = headers.get("authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get("x-api-key", b"")
        if not given:
            held = _cookie(headers)
            return self._keyring.session(held, wall) if held else None
        if self._brake.holds(client, now):
            raise Refusal(429, "too many wrong keys: wait a minute", {"retry-after": "60"})
        caller = self._keyring.identify(given)
        if caller is None:
            self._brake.failed(client, now)
            raise Refusal(401, "this key is wrong, or it was revoked", {"www-authenticate": "Bearer"})
        self._brake.passed(client)
        return caller

    def _check_host(self, headers: Mapping[str, bytes]) -> None:
        if not self.is_own(headers.get("host", b"").decode("latin-1")):
            raise Refusal(421, "this host name is not served here: set SEVENGATE_API_HOSTS, or give a key")

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


def caller_of(request: Request) -> Caller:
    caller: Caller = getattr(request.state, "caller", ANYBODY)
    return caller


Who = Annotated[Caller, Depends(caller_of)]


def is_open(path: str, method: str) -> bool:
    """Return whether *path* holds no data: the page's own files, the health check, the beginning of a session."""
    return (method in SAFE and not path.startswith("/api/")) or (path == SESSION and method == "POST")


def _is_local(scope: Scope, headers: Mapping[str, bytes]) -> bool:
    """Return whether the request comes from this machine and from no proxy on it."""
    if "x-forwarded-for" in headers or "forwarded" in headers:
        return False
    name = _host_name(headers.get("host", b"").decode("latin-1")).lower().rstrip(".")
    return _is_loopback((scope.get("client") or ("", 0))[0]) and (
        name == "localhost" or name.endswith(".localhost") or _is_loopback(name)
    )


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _check_size(headers: Mapping[str, bytes]) -> None:
    length = headers.get("content-length", b"0")
    if not length.isdigit():
        raise Refusal(400, "content-length is not a number")
    if len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
        raise Refusal(413, f"the body is too large: at most {MAX_BODY} bytes")


def _check_change(scope: Scope, headers: Mapping[str, bytes]) -> None:
    """A change comes from the page itself or from a program, never from another site in a browser."""
    host = headers.get("host", b"").decode("latin-1").lower()
    origin = headers.get("origin")
    if origin is not None and origin.decode("latin-1").partition("://")[2].lower() != host:
        raise Refusal(403, "changes from another origin are refused")
    if headers.get("sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
        raise Refusal(403, "changes from another site are refused")
    has_body = headers.get("content-length", b"0") != b"0" or "transfer-encoding" in headers
    media_type = headers.get("content-type", b"").partition(b";")[0].strip().lower()
    if has_body and media_type not in (b"application/json", b"application/merge-patch+json"):
        raise Refusal(415, "the body has to be application/json")


def _cookie(headers: Mapping[str, bytes]) -> str:
    """Return the session that a browser brings, empty without one."""
    try:
        cookies = SimpleCookie(headers.get("cookie", b"").decode("latin-1"))
    except CookieError:
        return ""
    held = cookies.get(SESSION_COOKIE)
    return held.value if held is not None else ""


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") < 2 else host


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
    """End a request whose body grows beyond the limit without having said so, or does not arrive in time."""
    received, complete = 0, False
    deadline = time.monotonic() + BODY_SECONDS

    async def wrapped() -> Message:
        nonlocal received, complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                message: Message = await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            return {"type": "http.disconnect"}
        complete = message["type"] == "http.request" and not message.get("more_body", False)
        return message

    return wrapped
