"""The WebSocket side: connections, their subscriptions, and who gets which frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from services.simulator.clock import SimulatedClock
from services.simulator.faults.faults import Faults
from services.simulator.protocol import encode
from shared.contracts import HOUR_MS

MOST_STREAMS: Final = 1_024
MOST_MESSAGES_A_SECOND: Final = 10
LIFETIME_MS: Final = 24 * HOUR_MS
PING_EVERY_S: Final = 180.0
PONG_WITHIN_S: Final = 600.0
LONGEST_QUEUE: Final = 50_000  #: frames that a reader may be behind

#: Which streams an address carries; the old addresses carry none, and nor do names in upper case.
_MARKET: Final = re.compile(
    r"^(?:[^@A-Z]+@(?:kline_(?:5m|15m|1h|4h)|markPrice(?:@1s)?|ticker|miniTicker|aggTrade|forceOrder)"
    r"|!ticker@arr|!miniTicker@arr|!markPrice@arr(?:@1s)?|!forceOrder@arr|!contractInfo)$"
)
_PUBLIC: Final = re.compile(r"^(?:[^@A-Z]+@(?:depth(?:5|10|20)?(?:@(?:100|250|500)ms)?|bookTicker)|!bookTicker)$")
CARRIED: Final[dict[str, re.Pattern[str] | None]] = {"market": _MARKET, "public": _PUBLIC, "old": None}

log = structlog.get_logger()


class Connection:
    """One socket: what it subscribed to and what is still to be written."""

    def __init__(self, socket: web.WebSocketResponse, scope: str, *, wrapped: bool, now: int) -> None:
        self.socket, self.scope, self.wrapped, self.opened_at = socket, scope, wrapped, now
        self.streams: set[str] = set()
        self.pong_at = time.monotonic()
        self._frames: deque[str] = deque()
        self._ready = asyncio.Event()

    def offer(self, frame: str) -> None:
        """Queue a text; a reader that is too far behind is cut off."""
        if len(self._frames) >= LONGEST_QUEUE:
            self.cut()
            return
        self._frames.append(frame)
        self._ready.set()

    def cut(self) -> None:
        """Break the connection without a good-bye, as a network does."""
        self._frames.clear()
        transport = getattr(self.socket, "_req", None) and self.socket._req.transport  # type: ignore[union-attr]
        if transport is not None:
            transport.abort()

    async def write(self) -> None:
        """Write queued texts until the socket closes."""
        while not self.socket.closed:
            await self._ready.wait()
            self._ready.clear()
            while self._frames:
                await self.socket.send_str(self._frames.popleft())


class Hub:
    """All connections, found by stream."""

    def __init__(self, clock: SimulatedClock, faults: Faults, lifetime_ms: int = LIFETIME_MS) -> None:
        self._clock, self._faults, self._lifetime = clock, faults, lifetime_ms
        self.connections: set[Connection] = set()
        self._by_stream: dict[str, set[Connection]] = {}
        self.sent = 0
        self.opened = 0
        self.expired = 0
        self.changed = asyncio.Event()  #: set at each subscription

    def wanted(self, stream: str) -> bool:
        """Whether anybody listens to *stream*."""
        return stream in self._by_stream

    def streams(self) -> Iterable[str]:
        """Return the streams with a subscriber."""
        return self._by_stream.keys()

    def send(self, stream: str, payload: str) -> None:
        """Send *payload* to those who listen to *stream*."""
        listeners = self._by_stream.get(stream)
        if not listeners or self._faults.get("silent-subscription") or self._faults.get("stale"):
            return
        wrapped = f'{{"stream":{encode.dumps(stream)},"data":{payload}}}'
        for connection in listeners:
            connection.offer(wrapped if connection.wrapped else payload)
            self.sent += 1

    def expire(self) -> None:
        """Cut the connections that are too old by the exchange's clock (24 hours by default)."""
        now = self._clock.now()
        for connection in [one for one in self.connections if now - one.opened_at >= self._lifetime]:
            connection.opened_at = now  # it is forgotten a little later
            connection.cut()
            self.expired += 1

    def cut_all(self) -> None:
        """Cut every connection."""
        for connection in list(self.connections):
            connection.cut()

    async def serve(
        self, request: web.Request, scope: str, streams: list[str], *, wrapped: bool
    ) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=65_536)
        await socket.prepare(request)
        connection = Connection(socket, scope, wrapped=wrapped, now=self._clock.now())
        self.connections.add(connection)
        self.opened += 1
        if self._faults.get("disconnect"):
            connection.cut()
        writer, pinger = asyncio.ensure_future(connection.write()), asyncio.ensure_future(_ping(connection))
        try:
            if await self._subscribe(connection, streams):
                await self._listen(connection)
        finally:
            self._forget(connection)
            for task in (writer, pinger):
                task.cancel()
            await asyncio.gather(writer, pinger, return_exceptions=True)
        return socket

    def _forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        for stream in connection.streams:
            self._drop(stream, connection)

    def _drop(self, stream: str, connection: Connection) -> None:
        listeners = self._by_stream.get(stream, set())
        listeners.discard(connection)
        if not listeners:
            self._by_stream.pop(stream, None)

    async def _listen(self, connection: Connection) -> None:
        recent: deque[float] = deque(maxlen=MOST_MESSAGES_A_SECOND)
        async for message in connection.socket:
            now = time.monotonic()
            if message.type is WSMsgType.PONG:
                connection.pong_at = now
                continue
            if len(recent) == recent.maxlen and now - recent[0] < 1.0:
                await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
                return
            recent.append(now)
            if message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                await self._answer(connection, message.data)

    async def _answer(self, connection: Connection, text: str) -> None:
        try:
            request: dict[str, Any] = json.loads(text)
            method, identifier = request["method"], request.get("id")
        except (ValueError, KeyError, TypeError) as error:
            connection.offer(encode.dumps({"error": {"code": 3, "msg": f"Invalid JSON: {error}"}}))
            return
        parameters = request.get("params") or []
        if not isinstance(parameters, list) or not all(isinstance(name, str) for name in parameters):
            connection.offer(encode.dumps({"error": {"code": 2, "msg": "Invalid request: params"}, "id": identifier}))
            return
        result: Any = None
        match method:
            case "SUBSCRIBE":
                connection.offer(encode.dumps({"result": None, "id": identifier}))
                await self._subscribe(connection, parameters)
                return
            case "UNSUBSCRIBE":
                for stream in parameters:
                    connection.streams.discard(stream)
                    self._drop(stream, connection)
            case "LIST_SUBSCRIPTIONS":
                result = sorted(connection.streams)
            case _:
                message = f"Invalid request: unknown variant `{method}`"
                connection.offer(encode.dumps({"error": {"code": 2, "msg": message}, "id": identifier}))
                return
        connection.offer(encode.dumps({"result": result, "id": identifier}))

    async def _subscribe(self, connection: Connection, streams: list[str]) -> bool:
        """Add *streams*; those that this address does not carry stay silent.  False: one too many."""
        connection.streams.update(streams)
        if len(connection.streams) > MOST_STREAMS:
            await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many streams")
            return False
        carried = CARRIED[connection.scope]
        for stream in streams:
            if carried is not None and carried.match(stream):
                self._by_stream.setdefault(stream, set()).add(connection)
        self.changed.set()
        return True


async def _ping(connection: Connection) -> None:
    """Ask whether the reader is alive; cut the connection when it does not answer."""
    with contextlib.suppress(ConnectionError):
        while not connection.socket.closed:
            await asyncio.sleep(PING_EVERY_S)
            if time.monotonic() - connection.pong_at > PONG_WITHIN_S + PING_EVERY_S:
                connection.cut()
                return
            await connection.socket.ping(str(int(time.time() * 1_000)).encode())
