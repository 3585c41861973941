"""Sockets end after 24 hours: replaced before, overlapping; cut without a word, the gap is filled."""

from __future__ import annotations

import asyncio
import itertools
import re
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from services.fetcher.binance import ws as streams
from services.fetcher.binance.ws import StreamBatch, StreamSocket, backoff
from services.terminal.local.listening import free_port
from shared.contracts import SCAN_MS, ScanOpened
from tests.patience import until

from .conftest import Deaf, Feed, listening
from .test_faults import VICTIM, assert_true_windows, scans_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole processes, on whatever machine

#: 200 times as fast: an hour, the life of a socket here, is 18 s
HOUR_OF_LIFE = ("--symbols", "8", "--seed", "3", "--speed", "200", "--socket-hours", "1")
HALF_AN_HOUR = ("--symbols", "8", "--seed", "3", "--speed", "200", "--socket-hours", "0.5")


def counted(port: int, name: str, label: str) -> float:
    """Return a counter of the fetcher's metrics, 0 where it has never counted."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    found = re.search(rf'^{name}{{[^}}]*"{label}"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def assert_one_after_another(scans: list[ScanOpened]) -> None:
    """Every close has one scan and no symbol is missing."""
    assert all(later.scan_id - earlier.scan_id == SCAN_MS for earlier, later in itertools.pairwise(scans))
    assert not any(scan.missing or scan.degraded for scan in scans)


@pytest.mark.parametrize("simulator_arguments", [HOUR_OF_LIFE])
async def test_sockets_are_replaced_before_the_exchange_ends_them(feed: Feed) -> None:
    """Old and new overlap: no socket grows too old, never one too few, every bar comes by stream."""
    await feed.settings(grace_seconds=10.0, socket_hours=0.5)
    port = free_port()
    feed.start_fetcher(SEVENGATE_METRICS_PORT=str(port))
    first = await feed.scan()
    await feed.scan(first.scan_id + 2 * SCAN_MS)
    fewest, most, scans = 99, 0, [first]
    while scans[-1].scan_id < first.scan_id + 20 * SCAN_MS:
        connections = (await feed.status())["connections"]
        fewest, most = min(fewest, connections), max(most, connections)
        scans = await scans_until(feed, scans[-1].scan_id)
        await asyncio.sleep(0.05)
    status = await feed.status()
    assert status["connections_expired"] == 0
    assert status["connections_opened"] >= 3 + 3 * 2  # three sockets, replaced twice at least in 90 minutes
    assert fewest == 3 < most
    assert counted(port, "sevengate_feed_faults_total", "disconnected") == 0
    assert counted(port, "sevengate_feed_faults_total", "late bar") == 0
    assert_one_after_another(scans)
    await assert_true_windows(feed, (await feed.scan(scans[-1].scan_id)).scan_id)


@pytest.mark.parametrize("simulator_arguments", [HALF_AN_HOUR])
async def test_a_cut_that_nobody_announced_leaves_no_gap(feed: Feed) -> None:
    """All sockets end before they were replaced: reconnected, filled over REST, no scan lost or doubled."""
    await feed.settings(grace_seconds=0.5)
    feed.start_fetcher()
    first = await feed.scan()
    scans = await scans_until(feed, first.scan_id + 16 * SCAN_MS)
    assert (await feed.status())["connections_expired"] >= 3 * 2
    assert_one_after_another(scans)
    await assert_true_windows(feed, (await feed.scan(scans[-1].scan_id)).scan_id)


@pytest.mark.parametrize(("fault", "replaced"), [("nan", False), ("silent-symbol", True)])
async def test_only_a_stream_that_says_nothing_is_replaced(feed: Feed, fault: str, replaced: bool) -> None:
    """Bars that cannot be used are no silence: another socket would not bring better ones."""
    port = free_port()
    feed.start_fetcher(SEVENGATE_METRICS_PORT=str(port))
    await feed.scan()
    await feed.fault(fault, VICTIM)
    for _ in range(3):
        await feed.next_scan()
    assert (counted(port, "sevengate_feed_faults_total", "streams silent") > 0) is replaced


@asynccontextmanager
async def served(serve: Callable[[int, web.WebSocketResponse], Any]) -> AsyncIterator[str]:
    """A WebSocket server; *serve* gets the number of the connection and the socket."""
    numbers = itertools.count()

    async def accept(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await serve(next(numbers), socket)
        return socket

    async with listening(accept) as address:
        yield f"ws://{address}/"


async def test_a_replacement_that_brings_nothing_does_not_cost_the_old_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first socket goes on while those that should replace it stay silent."""
    monkeypatch.setattr(streams, "OVERLAP_S", 0.2)
    opened: list[int] = []
    alive: list[bool] = []

    async def serve(number: int, socket: web.WebSocketResponse) -> None:
        opened.append(number)
        while number and not socket.closed:
            await socket.receive()
        while not socket.closed:
            await socket.send_str('{"stream":"!ticker@arr","data":[]}')
            alive.append(len(opened) > 3)
            await asyncio.sleep(0.02)

    async with served(serve) as url, aiohttp.ClientSession() as session:
        batch = StreamBatch(url, ["!ticker@arr"], Deaf(), lambda: 0.3)
        running = asyncio.ensure_future(batch.run(session))
        await until(lambda: any(alive))
        assert batch.up
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_replies_are_no_data() -> None:
    """Acknowledged or refused in any form: the socket is not up before its first frame of a stream."""
    replies = [
        '{"result":null,"id":1}',
        '{"id":1,"result":null}',
        '{"error":{"code":2},"id":1}',
        '{"code":2,"msg":"x"}',
    ]
    ups: list[bool] = []

    async def serve(_: int, socket: web.WebSocketResponse) -> None:
        for text in (*replies, '{"stream":"!ticker@arr","data":[]}'):
            await socket.send_str(text)
            await asyncio.sleep(0.1)
            ups.append(listening_to.up.is_set())
        await socket.receive()

    async with served(serve) as url, aiohttp.ClientSession() as session:
        listening_to = StreamSocket(url, ["!ticker@arr"], Deaf())
        running = asyncio.ensure_future(listening_to.run(session))
        await until(lambda: len(ups) == len(replies) + 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert ups == [False] * len(replies) + [True]


async def test_reconnecting_slows_down_while_sockets_bring_nothing() -> None:
    """Each pause is longer than the one before, jitter and all; the wait is bounded."""
    attempts: list[float] = []

    async def serve(_: int, socket: web.WebSocketResponse) -> None:
        attempts.append(asyncio.get_running_loop().time())
        await socket.close()

    async with served(serve) as url, aiohttp.ClientSession() as session:
        running = asyncio.ensure_future(StreamBatch(url, ["!ticker@arr"], Deaf(), lambda: 60.0).run(session))
        await until(lambda: len(attempts) >= 6)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    pauses = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert pauses[4] > pauses[0]
    assert backoff(1_000_000) == 10.0
