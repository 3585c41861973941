"""The exchange's WebSocket streams: batches on routed sockets, replaced before they end.

An acknowledgement proves nothing: a socket is up with its first data frame, and every stream is
judged by the age of its data.  A replacement is opened before the old socket is closed, so the two
overlap and bars come twice rather than never.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiohttp
import msgspec
import structlog

from services.fetcher.binance.ws_messages import MARKS, TICKERS, hear, kline_stream
from services.fetcher.exchange import FeedKind, FeedListener
from shared import metrics
from shared.network.authorities import trusted
from shared.network.proxies import proxy_for

KINDS: Final[dict[str, FeedKind]] = {TICKERS: "prices", MARKS: "marks"}
WHOLE_MARKET: Final = tuple(KINDS)  #: each has a socket of its own, so that its staleness shows
BATCH: Final = 200  #: streams a socket, of the 1024 that the exchange allows
FEW: Final = 4
NAMES_A_MESSAGE: Final = 100
MESSAGE_GAP_S: Final = 0.15  #: ten messages a second are allowed
OVERLAP_S: Final = 30.0  #: longest wait for a replacement's first frame
SILENCE_S: Final = 30.0  #: wall time without any frame after which a socket is replaced
FIRST_BACKOFF_S: Final = 0.1
LONGEST_BACKOFF_S: Final = 10.0
LIVED_S: Final = 60.0  #: a socket that delivered data for so long makes the next pause short again
CONNECTIONS: Final = 240  #: in five minutes, of the 300 that the exchange allows an address
CONNECTIONS_S: Final = 300.0

log = structlog.get_logger()


class ConnectionBudget:
    """How many connections all sockets of this process may open in five minutes.

    Another fetcher at the same address is on standby and opens none; other programs at it are not known here,
    which is why 60 of the exchange's 300 are left.
    """

    def __init__(self, most: int = CONNECTIONS, seconds: float = CONNECTIONS_S) -> None:
        self._seconds = seconds
        self._opened: deque[float] = deque(maxlen=most)

    async def spend(self) -> None:
        """Return when one more may be opened."""
        now = time.monotonic()
        full = len(self._opened) == self._opened.maxlen
        due = max(now, self._opened[0] + self._seconds) if full else now
        self._opened.append(due)  # the slot is taken before waiting, so that no other socket takes it
        await asyncio.sleep(due - now)


class StreamSocket:
    """One connection and the streams it asked for."""

    def __init__(self, url: str, names: Sequence[str], listener: FeedListener) -> None:
        self._url = url
        self.names = tuple(names)
        self._listener = listener
        self.up = asyncio.Event()  #: set by the first frame with data
        self.heard = False  #: ever, while `up` ends with the connection
        self.first_frame = float("inf")  #: monotonic
        self.last_frame = time.monotonic()

    @property
    def lived(self) -> bool:
        """Whether it has delivered data for a minute."""
        return self.last_frame - self.first_frame >= LIVED_S

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Connect, subscribe and listen until the connection ends; raises as aiohttp does."""
        try:
            async with session.ws_connect(
                self._url, heartbeat=None, max_msg_size=16 << 20, decode_text=False, proxy=proxy_for(self._url)
            ) as socket:
                await self._subscribe(socket)
                await self._listen(socket)
        finally:
            if self.up.is_set():
                metrics.FEED_SOCKETS.dec()
                self.up.clear()

    async def _subscribe(self, socket: Any) -> None:
        for number, start in enumerate(range(0, len(self.names), NAMES_A_MESSAGE), 1):
            names = list(self.names[start : start + NAMES_A_MESSAGE])
            await socket.send_str(msgspec.json.encode({"method": "SUBSCRIBE", "params": names, "id": number}).decode())
            if start + NAMES_A_MESSAGE < len(self.names):
                await asyncio.sleep(MESSAGE_GAP_S)

    async def _listen(self, socket: Any) -> None:
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            data: bytes = message.data
            if b'"stream"' not in data[:12]:  # a reply: an acknowledgement proves nothing
                if b'"code"' in data:
                    metrics.FEED_FAULTS.labels("subscription refused").inc()
                continue
            self.last_frame = time.monotonic()
            if not self.up.is_set():
                self.heard = True
                self.first_frame = self.last_frame
                self.up.set()
                metrics.FEED_SOCKETS.inc()
            hear(data, self._listener)


class StreamBatch:
    """A fixed set of streams, kept up by one socket after another."""

    def __init__(
        self,
        url: str,
        names: Sequence[str],
        listener: FeedListener,
        lifetime: Callable[[], float],
        budget: ConnectionBudget | None = None,
    ) -> None:
        self.names = tuple(names)
        self.budget = budget or ConnectionBudget()
        self._url = url
        self._listener = listener
        self._lifetime = lifetime  #: after how much wall time a socket is replaced
        self._current: StreamSocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0  #: monotonic
        self._replace = asyncio.Event()
        self._heard_before = time.monotonic()  #: on the sockets before this one
        self.replaced = 0

    @property
    def kind(self) -> FeedKind:
        """The kind of data of its streams."""
        return KINDS.get(self.names[0], "bars")

    @property
    def up(self) -> bool:
        """Whether data has come on the present socket."""
        return self._current is not None and self._current.up.is_set()

    @property
    def silent_seconds(self) -> float:
        """Wall time since the last frame of the present socket, or since it was opened."""
        return time.monotonic() - self._current.last_frame if self._current else 0.0

    @property
    def unheard_seconds(self) -> float:
        """Wall time since the last frame on any socket."""
        current = self._current
        heard = current.last_frame if current is not None and current.heard else self._heard_before
        return time.monotonic() - heard

    def replace(self, reason: str) -> None:
        """Open another socket, and close this one when data has come on the other."""
        if not self._replace.is_set():
            metrics.FEED_FAULTS.labels(reason).inc()
            log.warning("a socket is replaced", reason=reason, streams=len(self.names))
            self._replace.set()

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Keep the streams up until cancelled."""
        failures = 0
        try:
            while True:
                await self._open(session)
                if await self._ended():
                    failures = 0 if self._current is not None and self._current.lived else failures + 1
                    await asyncio.sleep(backoff(failures) * random.uniform(0.5, 1.5))
                self.replaced += 1
        finally:
            if self._task is not None:
                await _end(self._task)

    async def _open(self, session: aiohttp.ClientSession) -> None:
        """Open a socket; close the previous one when data has come on this one, or no more comes on that."""
        self._replace.clear()
        await self.budget.spend()
        socket = StreamSocket(self._url, self.names, self._listener)
        task = asyncio.ensure_future(socket.run(session))
        try:
            await _first(task, socket.up.wait(), OVERLAP_S)
        except asyncio.CancelledError:
            await _end(task)
            raise
        if not socket.up.is_set() and self.up and self.silent_seconds < SILENCE_S:
            await _end(task)  # keep the working socket
            self._due = time.monotonic() + OVERLAP_S
            return
        old, self._task = self._task, task
        if self._current is not None and self._current.heard:
            self._heard_before = self._current.last_frame
        self._current = socket
        self._due = time.monotonic() + self._lifetime() * random.uniform(0.97, 1.0)
        if old is not None:
            await _end(old)

    async def _ended(self) -> bool:
        """Return when the socket is to be replaced; True when it has ended by itself."""
        task = self._task
        assert task is not None, "a socket is opened first"  # noqa: S101
        await _first(task, self._replace.wait(), max(0.0, self._due - time.monotonic()))
        if not task.done():
            return False
        error = task.exception()
        metrics.FEED_FAULTS.labels("disconnected").inc()
        log.warning("a socket ended", error=repr(error) if error else "closed", streams=len(self.names))
        return True


def backoff(failures: int) -> float:
    """Return how long to wait, in seconds before jitter, after so many short-lived sockets in a row."""
    return min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures, 10))


async def _first(task: asyncio.Task[None], other: Any, seconds: float) -> None:
    """Wait for *task*, for *other*, or *seconds*; *task* goes on."""
    waiting = asyncio.ensure_future(other)
    await asyncio.wait({task, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
        await task


class BinanceStreams:
    """All batches: the kline streams of the held symbols, and the two streams of the whole market."""

    def __init__(self, url: str, listener: FeedListener, lifetime: Callable[[], float]) -> None:
        self._url = f"{url.rstrip('/')}/market/stream"
        self._listener = listener
        self._lifetime = lifetime
        self._connections = ConnectionBudget()
        self._batches: dict[tuple[str, ...], tuple[StreamBatch, asyncio.Task[None]]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def hold(self, symbols: Sequence[str]) -> None:
        """Listen to *symbols*; unchanged batches keep their sockets."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted()))
        wanted: list[tuple[str, ...]] = [(name,) for name in WHOLE_MARKET]
        kept = [names for names in self._batches if set(names) <= {kline_stream(symbol) for symbol in symbols}]
        held = {name for names in kept for name in names}
        fresh = [kline_stream(symbol) for symbol in symbols if kline_stream(symbol) not in held]
        wanted += [tuple(fresh[start : start + BATCH]) for start in range(0, len(fresh), BATCH)]
        wanted += kept
        opening = [names for names in wanted if names not in self._batches]
        for names in opening:
            batch = StreamBatch(self._url, names, self._listener, self._lifetime, self._connections)
            self._batches[names] = batch, asyncio.ensure_future(batch.run(self._session))
        leaving = [names for names in self._batches if names not in wanted]
        if leaving:
            await self._data_has_come([self._batches[names][0] for names in opening])
        for names in leaving:
            _, task = self._batches.pop(names)
            await _end(task)

    async def _data_has_come(self, batches: Sequence[StreamBatch]) -> None:
        """Wait until *batches* are up, at most as long as sockets may overlap."""
        deadline = time.monotonic() + OVERLAP_S
        while not all(batch.up for batch in batches) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    @property
    def batches(self) -> list[StreamBatch]:
        """All present batches."""
        return [batch for batch, _ in self._batches.values()]

    def silent_seconds(self, kind: FeedKind) -> float | None:
        """Return the wall time without *kind*; of the bars, on the stalest socket."""
        batches = [batch for batch in self.batches if batch.kind == kind]
        return max((batch.silent_seconds if batch.up else float("inf") for batch in batches), default=None)

    def replace_silent(self, longest: float) -> None:
        """Replace the sockets that were silent for more than *longest* seconds."""
        for batch in self.batches:
            if batch.silent_seconds > longest:
                batch.replace("socket silent")

    def replace(self, symbols: Sequence[str], reason: str) -> None:
        """Replace the sockets of the bar streams of *symbols*."""
        names = {kline_stream(symbol) for symbol in symbols}
        for batch in self.batches:
            if names & set(batch.names):
                batch.replace(reason)

    @property
    def unheard_seconds(self) -> float:
        """Wall time since the last frame of the stalest batch.

        A batch of a few coins that hardly trade may be silent for a minute and well.
        """
        return max((batch.unheard_seconds for batch in self._steady), default=0.0)

    @property
    def up(self) -> bool:
        """Whether data comes on all sockets that should not be silent for long."""
        return bool(self._steady) and all(batch.up for batch in self._steady)

    @property
    def _steady(self) -> list[StreamBatch]:
        return [batch for batch in self.batches if batch.kind != "bars" or len(batch.names) > FEW]

    async def close(self) -> None:
        for _, task in self._batches.values():
            await _end(task)
        self._batches.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None
