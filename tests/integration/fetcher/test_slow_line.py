"""A line of 32 kB/s between the fetcher and the exchange, as a poor mobile connection has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.fetcher.binance.rest import CONCURRENCY
from shared.contracts import FULL_BARS

from .conftest import Feed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BYTES_A_SECOND = 48_000
PIECE = 1_000  #: bytes that go at once: the connections take turns


@dataclass
class Line:
    """What went over the line."""

    address: str = ""
    most: int = 0  #: requests for bars that waited for their answers at once, ever
    waiting: int = 0
    widths: list[int] = field(default_factory=list)  #: how many waited, at each whole answer's end


@asynccontextmanager
async def slow_line(target: str) -> AsyncIterator[Line]:
    """Lead HTTP to *target*; all answers together come at 48 kB/s."""
    line, turn = Line(), asyncio.Lock()
    host, _, port = target.partition(":")

    async def answer(there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await there.readuntil(b"\r\n\r\n")
        fields = dict(part.lower().split(b": ", 1) for part in head.split(b"\r\n")[1:-2])
        body = await there.readexactly(int(fields[b"content-length"]))
        whole = head + body
        for start in range(0, len(whole), PIECE):
            async with turn:
                if writer.transport.is_closing():
                    raise ConnectionResetError
                await asyncio.sleep(PIECE / BYTES_A_SECOND)
                writer.write(whole[start : start + PIECE])
                await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        try:
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                back.write(asked)
                counts = b"/klines?" in asked  # other requests have slots of their own
                line.waiting += counts
                line.most = max(line.most, line.waiting)
                try:
                    await answer(there, writer)
                    line.widths += [line.waiting] * counts
                finally:
                    line.waiting -= counts
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            back.close()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    line.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()


async def test_a_slow_line_is_loaded_by_fewer_at_once_until_all_is_there(feed: Feed) -> None:
    """Twenty at once time out; half as many are tried, and half of those, until every window is whole."""
    async with slow_line(feed.rest_url.partition("//")[2]) as line:
        feed.start_fetcher(SEVENGATE_BINANCE_REST_URL=f"http://{line.address}")
        opened = await feed.scan(patience=400)
        snapshots = await feed.snapshots(opened.scan_id)
        feed.stop()
    assert len(snapshots) == 8
    assert not opened.missing
    for snapshot in snapshots.values():
        held = {name: bars.matrix.shape[1] for name, bars in snapshot.bars.items()}
        assert (held["5m"], held["15m"]) == (FULL_BARS, FULL_BARS)
        assert held["1h"] > 600  # as many as a young contract has
        assert held["4h"] > 100
    assert line.most >= CONCURRENCY["weight"]  # it began with as many as on any line
    assert max(line.widths[len(line.widths) // 2 :]) <= CONCURRENCY["weight"] / 2
