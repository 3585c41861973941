"""What a frame of the exchange's streams says, told to a listener."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from services.fetcher.binance.answers import funding_rate
from services.fetcher.binance.decoding import UNREADABLE, decoder, rows
from services.fetcher.derivatives import Mark
from shared import metrics
from shared.contracts import Floats

TICKERS: Final = "!ticker@arr"
MARKS: Final = "!markPrice@arr@1s"
CLOSED: Final = b'"x":true'


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
_tickers, _marks = rows(_Ticker), rows(_Mark)


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
    except UNREADABLE:
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
    told = _tickers(data)
    # since the merger of the markets COIN-M rows come along, with another st
    prices = {row.s: row.c for row in told if row.st == 1 and 0 < row.c < float("inf")}
    if told:
        listener.prices(max(row.E for row in told), prices)


def _hear_marks(data: msgspec.Raw, listener: Listener) -> None:
    told = _marks(data)
    marks = {row.s: Mark(row.E, row.p, row.i, funding_rate(row.r), row.T) for row in told if row.st == 1}
    if told:
        listener.marks(max(row.E for row in told), marks)
