"""The HTTP server: it ends with the service, and closes connections that send no request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.api.app import create_app
from services.api.context import Context

REQUEST_SECONDS: Final = 10.0  #: within which a connection has to have sent a whole request's head
MOST_CONNECTIONS: Final = 1_000
SHORT_KEY: Final = 22  #: characters: fewer hold fewer than 128 random bits

log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn that leaves the signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose request does not come within ten seconds."""

    patience: float = REQUEST_SECONDS
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()
        elif self._waiting is None:  # a first byte starts the clock, a second one does not set it back
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.patience, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self._is_answering() and not self.transport.is_closing():
            self.transport.close()


async def listen(*contexts: Context) -> None:
    """Serve until the service stops; a server that ends stops the service."""
    server, service = Server(configuration(*contexts)), contexts[0].service
    stopping = asyncio.ensure_future(service.stopping.wait())
    stopping.add_done_callback(lambda _: setattr(server, "should_exit", True))
    try:
        await server.serve()
    finally:
        stopping.cancel()
        service.stopping.set()


def configuration(*contexts: Context) -> uvicorn.Config:
    """Return how the application over *contexts* is served."""
    environment = contexts[0].service.environment
    key = environment.api_key.get_secret_value()
    if key and len(key) < SHORT_KEY:
        log.warning("the API key is short: 128 random bits are at least 22 characters")
    hosts = tuple(filter(None, environment.api_hosts.replace(" ", "").split(",")))
    return uvicorn.Config(
        create_app(*contexts, hosts=hosts, root_path=environment.api_root_path),
        host=environment.api_host,
        port=environment.api_port,
        http=PatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the client is who connects: a header could claim any address
        lifespan="off",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=3,
    )
