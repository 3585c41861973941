"""Watches `requests` at work beneath a library that says only yes or no.

While a block is watched, names that lead where they must not are not resolved, proxies of the environment
are not used, and every answer and failure is kept, so that the outcome can be told.  Other threads and
blocks of the process are not touched.
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

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from services.notifier.channels.outcome import Ambiguous, Later, Rejected
from services.notifier.channels.web import refusal, seconds_of
from shared import addresses

NOT_SENT: Final = (NewConnectionError, ConnectTimeoutError)  #: a name that is not known is one of them


@dataclass
class Watch:
    """What happened in a block."""

    allow: Sequence[str] = ()  #: networks that may be called besides the public ones
    forbidden: str = ""  #: the address that was not called
    taken: bool = False  #: something was answered with 2xx
    problem: Exception | None = None  #: the last thing that went wrong

    def outcome(self) -> Exception:
        """Return what the library's no means."""
        if self.forbidden:
            return Rejected("forbidden address", f"{self.forbidden} is not public and not allowed")
        if self.taken or self.problem is None:
            return Ambiguous("apprise failed", "the service did not say why")
        return self.problem

    def answered(self, response: requests.Response) -> None:
        """Keep what the other side said."""
        if 200 <= response.status_code < 300:
            self.taken = True
        else:
            self.problem = refusal(response.status_code, "", seconds_of(response.headers.get("retry-after", "")))

    def broke(self, error: requests.RequestException) -> None:
        """Keep how a request ended without an answer."""
        cause = error.args[0] if error.args else None
        reason = cause.reason if isinstance(cause, MaxRetryError) else cause
        if isinstance(reason, NOT_SENT):
            self.problem = Later("no connection", type(reason).__name__)
        elif isinstance(error, requests.Timeout):
            self.problem = Ambiguous("no answer in time", type(error).__name__)
        else:
            self.problem = Ambiguous("connection broke", type(error).__name__)


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextlib.contextmanager
def watched(allow: Sequence[str]) -> Iterator[Watch]:
    """Watch the block, in this thread and those that inherit its context."""
    _install()
    watch = Watch(allow)
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


@cache
def _install() -> None:
    """Put the watch between the library, `requests` and the network, once."""
    resolve, send = socket.getaddrinfo, HTTPAdapter.send
    connect: Any = socket.socket.connect
    send_to: Any = socket.socket.sendto

    def getaddrinfo(*args: Any, **more: Any) -> Any:
        found, watch = resolve(*args, **more), _watch.get()
        for item in found if watch else ():
            address = ipaddress.ip_address(str(item[4][0]).split("%")[0])
            if not addresses.permitted(address, watch.allow):  # type: ignore[union-attr]
                watch.forbidden = str(address)  # type: ignore[union-attr]
                raise OSError("forbidden address")
        return found

    def send_watched(self: HTTPAdapter, request: Any, **more: Any) -> requests.Response:
        watch = _watch.get()
        if watch is None:
            return send(self, request, **more)
        try:
            response = send(self, request, **{**more, "proxies": {}})
        except requests.RequestException as error:
            watch.broke(error)
            raise
        watch.answered(response)
        return response

    def pinned(where: socket.socket, address: Any) -> Any:
        """Return *address* with its name looked up here: a socket would ask past `getaddrinfo`."""
        if _watch.get() is None or not isinstance(address, tuple):
            return address
        return getaddrinfo(*address[:2], where.family, where.type)[0][4]

    def connect_watched(self: Any, address: Any) -> None:
        connect(self, pinned(self, address))

    def send_to_watched(self: Any, data: Any, *more: Any) -> Any:
        return send_to(self, data, *more[:-1], pinned(self, more[-1]))

    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = connect_watched  # type: ignore[method-assign]
    socket.socket.sendto = send_to_watched  # type: ignore[method-assign]
    HTTPAdapter.send = send_watched  # type: ignore[method-assign,assignment]
