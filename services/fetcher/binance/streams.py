"""The exchange's WebSocket streams: batches on routed sockets, replaced before they end.

An acknowledgement proves nothing: a socket counts as up with its first frame, and every stream is
judged by the age of its data.  A replacement is opened before the old socket is closed, so the two
overlap and bars come twice rather than never.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiohttp
import msgspec
import structlog

from services.fetcher.binance.frames import MARKS, TICKERS, Listener, hear, kline_stream
from shared import metrics

WHOLE_MARKET: Final = (TICKERS, MARKS)  #: each has a socket of its own, so that its silence is seen
BATCH: Final = 200  #: streams a socket, of the 1024 that the exchange allows
FEW: Final = 4
NAMES_A_MESSAGE: Final = 100
MESSAGE_GAP_S: Final = 0.15  #: ten messages a second are allowed
OVERLAP_S: Final = 30.0  #: longest wait for a replacement's first frame
SILENCE_S: Final = 30.0  #: wall time without any frame after which a socket is worth nothing
FIRST_BACKOFF_S: Final = 0.1
LONGEST_BACKOFF_S: Final = 10.0

log = structlog.get_logger()


class Socket:
    """One connection and the streams it asked for."""

    def __init__(self, url: str, names: Sequence[str], listener: Listener) -> None:
        self._url = url
        self.names = tuple(names)
        self._listener = listener
        self.up = asyncio.Event()  #: set by the first frame with data
        self.heard = False  #: ever, while `up` ends with the connection
        self.last_frame = time.monotonic()

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Connect, subscribe and listen until the connection ends; raises as aiohttp does."""
        try:
            async with session.ws_connect(
                self._url, heartbeat=None, max_msg_size=16 << 20, decode_text=False
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
                self.up.set()
                metrics.FEED_SOCKETS.inc()
            hear(data, self._listener)


class Batch:
    """A fixed set of streams, kept up by one socket after another."""

    def __init__(self, url: str, names: Sequence[str], listener: Listener, lifetime: Callable[[], float]) -> None:
        self.names = tuple(names)
        self._url = url
        self._listener = listener
        self._lifetime = lifetime  #: after how much wall time a socket is replaced
        self._current: Socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0  #: monotonic
        self._replace = asyncio.Event()
        self._heard_before = time.monotonic()  #: on the sockets before this one
        self.replaced = 0

    @property
    def up(self) -> bool:
        """Whether data has come on the socket of now."""
        return self._current is not None and self._current.up.is_set()

    @property
    def silent_seconds(self) -> float:
        """Wall time since the last frame of the socket of now, or since it was opened."""
        return time.monotonic() - self._current.last_frame if self._current else 0.0

    @property
    def unheard_seconds(self) -> float:
        """Wall time since the last frame on any socket."""
        current = self._current
        heard = current.last_frame if current is not None and current.heard else self._heard_before
        return time.monotonic() - heard

    def replace(self, reason: str) -> None:
        """Open another socket and close this one when that has brought data."""
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
                    failures = 0 if self._current is not None and self._current.heard else failures + 1
                    await asyncio.sleep(backoff(failures) * random.uniform(0.5, 1.5))
                self.replaced += 1
        finally:
            if self._task is not None:
                await _end(self._task)

    async def _open(self, session: aiohttp.ClientSession) -> None:
        """Open a socket; the one before goes when this one has brought data, or when it brings none itself."""
        self._replace.clear()
        socket = Socket(self._url, self.names, self._listener)
        task = asyncio.ensure_future(socket.run(session))
        try:
            await _first(task, socket.up.wait(), OVERLAP_S)
        except asyncio.CancelledError:
            await _end(task)
            raise
        if not socket.up.is_set() and self.up and self.silent_seconds < SILENCE_S:
            await _end(task)  # a bird in the hand
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
    """Return how long to wait, in seconds before jitter, after so many sockets in a row that brought nothing."""
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


class Streams:
    """All batches: the kline streams of the held symbols, and the two streams of the whole market."""

    def __init__(self, url: str, listener: Listener, lifetime: Callable[[], float]) -> None:
        self._url = f"{url.rstrip('/')}/market/stream"
        self._listener = listener
        self._lifetime = lifetime
        self._batches: dict[tuple[str, ...], tuple[Batch, asyncio.Task[None]]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def hold(self, symbols: Sequence[str]) -> None:
        """Listen to *symbols*; batches that do not change stay as they are."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        wanted: list[tuple[str, ...]] = [(name,) for name in WHOLE_MARKET]
        kept = [names for names in self._batches if set(names) <= {kline_stream(symbol) for symbol in symbols}]
        held = {name for names in kept for name in names}
        fresh = [kline_stream(symbol) for symbol in symbols if kline_stream(symbol) not in held]
        wanted += [tuple(fresh[start : start + BATCH]) for start in range(0, len(fresh), BATCH)]
        wanted += kept
        opening = [names for names in wanted if names not in self._batches]
        for names in opening:
            batch = Batch(self._url, names, self._listener, self._lifetime)
            self._batches[names] = batch, asyncio.ensure_future(batch.run(self._session))
        leaving = [names for names in self._batches if names not in wanted]
        if leaving:
            await self._brought_data([self._batches[names][0] for names in opening])
        for names in leaving:
            _, task = self._batches.pop(names)
            await _end(task)

    async def _brought_data(self, batches: Sequence[Batch]) -> None:
        """Wait until *batches* are up, at most as long as sockets may overlap."""
        deadline = time.monotonic() + OVERLAP_S
        while not all(batch.up for batch in batches) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    @property
    def batches(self) -> list[Batch]:
        """All batches of now."""
        return [batch for batch, _ in self._batches.values()]

    def bringing(self, name: str) -> Batch | None:
        """Return the batch that *name* belongs to, None where it is not listened to."""
        return next((batch for batch in self.batches if name in batch.names), None)

    def silent(self, symbols: Sequence[str], reason: str) -> None:
        """Replace the sockets whose streams of *symbols* brought nothing."""
        names = {kline_stream(symbol) for symbol in symbols}
        for batch in self.batches:
            if names & set(batch.names):
                batch.replace(reason)

    @property
    def unheard_seconds(self) -> float:
        """Wall time since the last frame of the batch that was silent the longest.

        A batch of a few coins that hardly trade may be silent for a minute and well.
        """
        return max((batch.unheard_seconds for batch in self._telling), default=0.0)

    @property
    def up(self) -> bool:
        """Whether data comes on all sockets that should not be silent for long."""
        return bool(self._telling) and all(batch.up for batch in self._telling)

    @property
    def _telling(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.names[0] in WHOLE_MARKET or len(batch.names) > FEW]

    async def close(self) -> None:
        for _, task in self._batches.values():
            await _end(task)
        self._batches.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None
