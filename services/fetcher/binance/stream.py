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
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import msgspec
import numpy as np
import structlog

from services.fetcher.binance.rest import decoder
from services.fetcher.derivatives import Mark
from shared import metrics
from shared.contracts import Floats

BATCH: Final = 200  #: streams a socket, of the 1024 that the exchange allows
NAMES_A_MESSAGE: Final = 100
MESSAGE_GAP_S: Final = 0.15  #: ten messages a second are allowed
LIFETIME_S: Final = 23.5 * 3_600
OVERLAP_S: Final = 30.0  #: longest wait for a replacement's first frame
SILENCE_S: Final = 30.0  #: wall time without any frame after which a socket is given up
TICKERS: Final = "!ticker@arr"
MARKS: Final = "!markPrice@arr@1s"
CLOSED: Final = b'"x":true'

log = structlog.get_logger()


class _Candle(msgspec.Struct):
    t: int
    T: int
    i: str
    o: float
    h: float
    l: float  # noqa: E741
    c: float
    v: float
    q: float
    V: float
    x: bool


class _KlineEvent(msgspec.Struct):
    E: int
    s: str
    k: _Candle


class _Ticker(msgspec.Struct):
    s: str
    c: float
    E: int = 0
    st: int = 1


class _Mark(msgspec.Struct):
    s: str
    p: float
    E: int = 0
    i: float = 0.0
    r: str = ""
    T: int = 0
    st: int = 1


class _Frame(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_frame, _kline = decoder(_Frame), decoder(_KlineEvent)
_tickers, _marks = decoder(list[_Ticker]), decoder(list[_Mark])


class Listener:
    """What the fetcher wants to hear; each call is quick and never waits."""

    def closed_bar(self, symbol: str, bar: Floats, event_time: int) -> None:
        """A five-minute bar has closed."""

    def prices(self, event_time: int, prices: dict[str, float]) -> None:
        """Last prices of those symbols that changed."""

    def marks(self, event_time: int, marks: dict[str, Mark]) -> None:
        """Mark prices of all symbols."""


def kline_stream(symbol: str) -> str:
    """Return the stream of *symbol*'s bars; upper-case names would be acknowledged and stay silent."""
    return f"{symbol.lower()}@kline_5m"


def hear(data: bytes, listener: Listener) -> None:
    """Tell *listener* what a frame says.

    Most kline frames are of open candles: they are left unparsed.  A frame that cannot be read is
    counted and dropped; REST brings what it had.
    """
    try:
        if b'@kline_5m"' in data[:80] or b'"kline"' in data[:120]:
            if CLOSED in data:
                _hear_kline(data, listener)
            return
        frame: _Frame = _frame.decode(data)
        if frame.stream == TICKERS:
            _hear_tickers(frame.data, listener)
        elif frame.stream.startswith("!markPrice@arr"):
            _hear_marks(frame.data, listener)
        elif frame.stream:
            metrics.FEED_FAULTS.labels("unknown stream").inc()
    except (msgspec.DecodeError, ValueError):
        metrics.FEED_FAULTS.labels("unreadable frame").inc()


def _hear_kline(data: bytes, listener: Listener) -> None:
    event: _KlineEvent = _kline.decode(_frame.decode(data).data)
    candle = event.k
    if candle.i != "5m" or not candle.x:
        return
    if event.E < candle.T:  # said to be closed before its time was over
        metrics.FEED_FAULTS.labels("open candle").inc()
        return
    # the stream stamps the close, REST the open: the open time is the one key
    values = (candle.t, candle.o, candle.h, candle.l, candle.c, candle.v, candle.q, candle.V)
    listener.closed_bar(event.s, np.array(values, dtype=np.float64), event.E)


def _hear_tickers(data: msgspec.Raw, listener: Listener) -> None:
    rows: list[_Ticker] = _tickers.decode(data)
    # since the merger of the markets COIN-M rows come along, with another st
    prices = {row.s: row.c for row in rows if row.st == 1 and 0 < row.c < float("inf")}
    if rows:
        listener.prices(max(row.E for row in rows), prices)


def _hear_marks(data: msgspec.Raw, listener: Listener) -> None:
    rows: list[_Mark] = _marks.decode(data)
    marks = {row.s: Mark(row.E, row.p, row.i, float(row.r) if row.r else None, row.T) for row in rows if row.st == 1}
    if rows:
        listener.marks(max(row.E for row in rows), marks)


class Socket:
    """One connection and the streams it asked for."""

    def __init__(self, url: str, names: Sequence[str], listener: Listener) -> None:
        self._url = url
        self.names = tuple(names)
        self._listener = listener
        self.up = asyncio.Event()  #: set by the first frame with data
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
            if data.startswith((b'{"result"', b'{"id"')):
                continue  # an acknowledgement proves nothing
            if data.startswith(b'{"error"'):
                metrics.FEED_FAULTS.labels("subscription refused").inc()
                continue
            self.last_frame = time.monotonic()
            if not self.up.is_set():
                self.up.set()
                metrics.FEED_SOCKETS.inc()
            hear(data, self._listener)


class Batch:
    """A fixed set of streams, kept up by one socket after another."""

    def __init__(self, url: str, names: Sequence[str], listener: Listener, lifetime_s: float = LIFETIME_S) -> None:
        self.names = tuple(names)
        self._url = url
        self._listener = listener
        self._lifetime = lifetime_s
        self._current: Socket | None = None
        self._replace = asyncio.Event()
        self.replaced = 0

    @property
    def up(self) -> bool:
        """Whether data has come on the socket of now."""
        return self._current is not None and self._current.up.is_set()

    @property
    def silent_seconds(self) -> float:
        """Wall time since the last frame."""
        return time.monotonic() - self._current.last_frame if self._current else 0.0

    def replace(self, reason: str) -> None:
        """Open another socket and close this one when that has brought data."""
        if not self._replace.is_set():
            metrics.FEED_FAULTS.labels(reason).inc()
            log.warning("a socket is replaced", reason=reason, streams=len(self.names))
            self._replace.set()

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Keep the streams up until cancelled."""
        old: asyncio.Task[None] | None = None
        task: asyncio.Task[None] | None = None
        failures = 0
        try:
            while True:
                self._replace.clear()
                socket = Socket(self._url, self.names, self._listener)
                task = asyncio.ensure_future(socket.run(session))
                await _first(task, socket.up.wait(), OVERLAP_S)
                if old is not None:
                    await _end(old)
                self._current, old = socket, task
                if await self._until_due(task):
                    failures = 0 if socket.last_frame > time.monotonic() - SILENCE_S else failures + 1
                    old = None
                    await asyncio.sleep(min(10.0, 0.1 * 2 ** min(failures, 7)) * random.uniform(0.5, 1.5))
                self.replaced += 1
        finally:
            for left in {old, task} - {None}:
                await _end(left)  # type: ignore[arg-type]

    async def _until_due(self, task: asyncio.Task[None]) -> bool:
        """Return when the socket is to be replaced; True when it has ended by itself."""
        await _first(task, self._replace.wait(), self._lifetime * random.uniform(0.97, 1.0))
        if not task.done():
            return False
        error = task.exception()
        metrics.FEED_FAULTS.labels("disconnected").inc()
        log.warning("a socket ended", error=repr(error) if error else "closed", streams=len(self.names))
        return True


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
    """All batches: the kline streams of the held symbols, and the two that bring all symbols."""

    def __init__(self, url: str, listener: Listener, lifetime_s: float = LIFETIME_S) -> None:
        self._url = f"{url.rstrip('/')}/market/stream"
        self._listener = listener
        self._lifetime = lifetime_s
        self._batches: dict[tuple[str, ...], tuple[Batch, asyncio.Task[None]]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._symbols: tuple[str, ...] = ()

    async def hold(self, symbols: Sequence[str]) -> None:
        """Listen to *symbols*; batches that do not change stay as they are."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        self._symbols = tuple(symbols)
        wanted: list[tuple[str, ...]] = [(TICKERS, MARKS)]
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

    def silent(self, symbols: Sequence[str], reason: str) -> None:
        """Replace the sockets whose streams of *symbols* brought nothing."""
        names = {kline_stream(symbol) for symbol in symbols}
        for batch in self.batches:
            if names & set(batch.names):
                batch.replace(reason)

    def replace_tickers(self) -> None:
        """Replace the socket of prices and marks."""
        self._batches[TICKERS, MARKS][0].replace("prices silent")

    async def close(self) -> None:
        for _, task in self._batches.values():
            await _end(task)
        self._batches.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None
