"""One stream of the whole market is silent while all others speak: REST brings what it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from shared.contracts import SCAN_MS

from .conftest import Feed, listening
from .test_faults import VICTIM, scans_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole processes, on whatever machine


@asynccontextmanager
async def between(upstream: str, passes: Callable[[str], bool]) -> AsyncIterator[str]:
    """Stand between fetcher and exchange and let only those frames through that pass."""

    async def carry(request: web.Request) -> web.WebSocketResponse:
        inner = web.WebSocketResponse()
        await inner.prepare(request)
        async with aiohttp.ClientSession() as session, session.ws_connect(upstream + request.path) as outer:

            async def up() -> None:
                async for message in inner:
                    await outer.send_str(message.data)

            sending = asyncio.ensure_future(up())
            async for message in outer:
                if passes(message.data):
                    await inner.send_str(message.data)
            sending.cancel()
        return inner

    async with listening(carry) as address:
        yield f"ws://{address}"


@pytest.mark.parametrize("simulator_arguments", [("--symbols", "8", "--seed", "3", "--speed", "60")])
@pytest.mark.parametrize(
    ("silent", "path"), [("!markPrice@arr@1s", "/fapi/v1/premiumIndex"), ("!ticker@arr", "/fapi/v1/ticker/price")]
)
async def test_one_stream_of_the_whole_market_that_is_silent_is_polled(feed: Feed, silent: str, path: str) -> None:
    """Mark prices and ticks go on, by the requests that only that stream makes unnecessary."""
    async with between(feed.ws_url, lambda text: f'"stream":"{silent}"' not in text) as url:
        feed.start_fetcher(SEVENGATE_BINANCE_WS_URL=url)
        first = await feed.scan()
        before = (await feed.status())["requests"]  # until a stream has spoken both are asked for
        scans = await scans_until(feed, first.scan_id + 3 * SCAN_MS)
        opened = await feed.scan(scans[-1].scan_id)
        assert not opened.missing
        derivatives = (await feed.snapshots(opened.scan_id))[VICTIM].derivatives
        assert derivatives.funding_at is not None
        assert opened.scan_id - derivatives.funding_at < 3 * SCAN_MS
        ticks = await feed.ticks()
        assert opened.scan_id - ticks[-1].at < 60_000
        asked = (await feed.status())["requests"]
        other = {"/fapi/v1/premiumIndex", "/fapi/v1/ticker/price"} - {path}
        polled, spared = (asked.get(name, 0) - before.get(name, 0) for name in (path, other.pop()))
        assert polled >= 2
        # silent, prices are asked for some 170 times in three scans; at 60x a moment's delay looks like silence
        assert spared <= (20 if silent.startswith("!markPrice") else 1)
        feed.stop()
