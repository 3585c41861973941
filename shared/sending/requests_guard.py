"""Guards the calls of `requests` within a library that returns only success or failure.

Within a guarded block, names with forbidden addresses are not resolved, proxies are those of
`shared.network.proxies`, and every answer and failure is kept, so that the outcome is known.  Other threads and
blocks of the process are unaffected.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from shared.network import addresses
from shared.network.proxies import PORTS, proxy_for
from shared.sending import departure
from shared.sending.http import refusal, seconds_of
from shared.sending.results import Ambiguous, Later, Rejected

# the system's own, and the library's
lookup = socket.getaddrinfo
_connect: Any = socket.socket.connect
_send_to: Any = socket.socket.sendto
_send = HTTPAdapter.send
NOT_SENT: Final = (NewConnectionError, ConnectTimeoutError)  #: a name that is not known is one of them


@dataclass
class GuardedRequests:
    """The requests of one guarded block."""

    allow: Sequence[str] = ()  #: networks that may be called besides the public ones
    forbidden: str = ""  #: the address that was not called
    taken: bool = False  #: something was answered with 2xx
    problem: Exception | None = None  #: the last thing that went wrong

    def outcome(self) -> Exception:
        """Return the outcome of a failure that the library reported."""
        if self.forbidden:
            return Rejected("forbidden address", f"{self.forbidden} is not public and not allowed")
        if self.problem is not None and not self.taken:
            return self.problem
        if departure.has_left():
            return Ambiguous("apprise failed", "the service did not say why")
        return Later("apprise failed", "the service sent nothing and did not say why")

    def answered(self, response: requests.Response) -> None:
        """Keep the other side's answer."""
        if 200 <= response.status_code < 300:
            self.taken = True
        else:
            self.problem = refusal(response.status_code, seconds_of(response.headers.get("retry-after", "")))

    def broke(self, error: requests.RequestException) -> None:
        """Keep the error of a request without an answer."""
        cause = error.args[0] if error.args else None
        reason = cause.reason if isinstance(cause, MaxRetryError) else cause
        if isinstance(reason, NOT_SENT):
            self.problem = Later("no connection", type(reason).__name__)
        elif isinstance(error, requests.Timeout):
            self.problem = Ambiguous("no answer in time", type(error).__name__)
        else:
            self.problem = Ambiguous("connection broke", type(error).__name__)


_current: ContextVar[GuardedRequests | None] = ContextVar("guarded requests", default=None)


@contextlib.contextmanager
def guarded(allow: Sequence[str]) -> Iterator[GuardedRequests]:
    """Guard the block, in this thread and those that inherit its context."""
    _install()
    guard = GuardedRequests(allow)
    token = _current.set(guard)
    try:
        yield guard
    finally:
        _current.reset(token)


def _proxies(url: str, guard: GuardedRequests) -> dict[str, str]:
    """Return the proxy for *url* as `shared.network.proxies` says, after a look at where *url* itself leads."""
    proxy, parts = proxy_for(url), urlsplit(url)
    if proxy is None:
        return {}
    try:
        _permitted(parts.hostname, parts.port or PORTS[parts.scheme])
        place = urlsplit(proxy)
        own = [str(item[4][0]).split("%")[0] for item in lookup(place.hostname, place.port or PORTS[place.scheme])]
    except OSError as error:
        raise requests.ConnectionError(NewConnectionError(None, type(error).__name__)) from error  # type: ignore[arg-type]
    guard.allow = (*guard.allow, *own)  # the operator's own proxy may be anywhere
    return {parts.scheme: proxy}


@cache
def _install() -> None:
    """Put the guard between the library, `requests` and the network, once."""
    socket.getaddrinfo = _permitted
    socket.socket.connect = _connect_guarded  # type: ignore[method-assign]
    socket.socket.sendto = _send_to_guarded  # type: ignore[method-assign]
    HTTPAdapter.send = _send_guarded  # type: ignore[method-assign,assignment]


def _permitted(*args: Any, **more: Any) -> Any:
    """Do what `socket.getaddrinfo` does; raise `OSError` in a guarded block for an address that it forbids."""
    found, guard = lookup(*args, **more), _current.get()
    for item in found if guard else ():
        address = ipaddress.ip_address(str(item[4][0]).split("%")[0])
        if not addresses.permitted(address, guard.allow):  # type: ignore[union-attr]
            guard.forbidden = str(address)  # type: ignore[union-attr]
            raise OSError("forbidden address")
    return found


def _send_guarded(self: HTTPAdapter, request: Any, **more: Any) -> requests.Response:
    guard = _current.get()
    if guard is None:
        return _send(self, request, **more)
    try:
        proxies = _proxies(request.url, guard)
        departure.leave()
        response = _send(self, request, **{**more, "proxies": proxies})
    except requests.RequestException as error:
        guard.broke(error)
        raise
    guard.answered(response)
    return response


def _connect_guarded(self: Any, address: Any) -> None:
    _connect(self, _pinned(self, address))
    if _current.get() is not None:
        departure.leave()


def _send_to_guarded(self: Any, data: Any, *more: Any) -> Any:
    if _current.get() is not None:
        departure.leave()
    return _send_to(self, data, *more[:-1], _pinned(self, more[-1]))


def _pinned(where: socket.socket, address: Any) -> Any:
    """Return *address* with its name looked up here: a socket would ask past `getaddrinfo`."""
    if _current.get() is None or not isinstance(address, tuple):
        return address
    return _permitted(*address[:2], where.family, where.type)[0][4]
