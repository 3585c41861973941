"""Frames of the exchange's streams: parsed, and passed to a listener."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from services.fetcher.binance.json import UNREADABLE, decoder, rows
from services.fetcher.binance.rest_messages import funding_rate
from services.fetcher.domain.derivatives import MarkPrice
from services.fetcher.exchange import FeedListener
from shared import metrics

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


def kline_stream(symbol: str) -> str:
    """Return the stream of *symbol*'s bars; upper-case names would be acknowledged and stay silent."""
    return f"{symbol.lower()}@kline_5m"


def hear(data: bytes, listener: FeedListener) -> None:
    """Parse a frame and call *listener*.

    Most kline frames are of open candles: they are left unparsed.  A frame that cannot be read is
    counted and dropped; REST supplies its data.
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


def _hear_kline(data: bytes, listener: FeedListener) -> None:
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


def _hear_tickers(data: msgspec.Raw, listener: FeedListener) -> None:
    found = _tickers(data)
    # since the merger of the markets COIN-M rows come along, with another st
    prices = {row.s: row.c for row in found if row.st == 1 and 0 < row.c < float("inf")}
    if found:
        listener.prices(max(row.E for row in found), prices)


def _hear_marks(data: msgspec.Raw, listener: FeedListener) -> None:
    found = _marks(data)
    marks = {row.s: MarkPrice(row.E, row.p, row.i, funding_rate(row.r), row.T) for row in found if row.st == 1}
    if found:
        listener.marks(max(row.E for row in found), marks)
