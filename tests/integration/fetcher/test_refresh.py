"""A user's refresh: late data is polled, data that is due later is fetched first, and never twice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from services.fetcher.app import Fetcher
from services.fetcher.exchange import FeedKind, FeedListener, Points
from shared.bus import Bus, Lease, RedisBus
from shared.config.environment import Environment
from shared.contracts import SCAN_MS, RefreshRequested, SettingsChanged
from shared.reports import FETCHER, REFRESHED, WEIGHT, RefreshDone, WeightUsed
from shared.runtime.service import Service
from shared.runtime.settings_follower import follow_settings

from .conftest import Feed
from .fake_exchange import SYMBOLS, FakeExchange, FakeFeed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MARKET = "fake-swap"
POINTS_OUT_MS = 80_000  #: after an open: the first coin's turn has come, the others' has not


class CountingExchange(FakeExchange):
    """Counts who was asked for open interest."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    async def open_interest(self, symbol: str, *, limit: int) -> Points:
        self.asked[symbol] += 1
        return await super().open_interest(symbol, limit=limit)


class SilentFeed(FakeFeed):
    """A feed whose streams say nothing for a while, when a test wants it."""

    silent = 0.0

    def silent_seconds(self, kind: FeedKind) -> float | None:
        return self.silent if self.held else None

    def pass_time(self, milliseconds: int) -> None:
        """Let the exchange's clock move on without a close."""
        self._exchange.now += milliseconds
        self._listener.prices(self._exchange.now, {symbol: self._exchange.last(symbol) for symbol in SYMBOLS})


class Running:
    """The fetcher in this process, over an exchange that the test moves."""

    def __init__(self, url: str) -> None:
        self.exchange = CountingExchange()
        self.bus = RedisBus(url, MARKET)
        environment = Environment(market=MARKET, clock_speed=0, fear_greed_url="http://127.0.0.1:9/")
        self.service = Service(FETCHER, environment, self.bus)
        self.feed: SilentFeed | None = None

    def connect(
        self, _service: Service, _bus: Bus, _clock: object, listener: FeedListener
    ) -> tuple[FakeExchange, FakeFeed]:
        self.feed = SilentFeed(self.exchange, listener)
        return self.exchange, self.feed

    async def fetch(self) -> None:
        lease = Lease(FETCHER, "test")
        await self.bus.acquire(lease, ttl_ms=600_000)
        await Fetcher(self.service, self.bus, lease, self.connect).run()

    async def ask(self, version: int, at: int) -> None:
        await self.bus.publish_settings(RefreshRequested(version=version, at=at))

    async def done(self, version: int) -> RefreshDone:
        """Return the result of the request of *version*."""
        return await done(self.bus, version)


async def done(bus: RedisBus, version: int) -> RefreshDone:
    """Return what the fetcher left in its state about the request of *version*, once it has."""
    while True:
        held = (await bus.load_state(FETCHER)).fields.get(REFRESHED)
        if held and (found := msgspec.json.decode(held, type=RefreshDone)).version >= version:
            return found
        await asyncio.sleep(0.05)


@asynccontextmanager
async def running(url: str) -> AsyncIterator[tuple[Running, SilentFeed]]:
    """Run the fetcher until the test is done; begin when the coins' first scan has been swept for."""
    parts = Running(url)
    value = {"universe": {"size": 10, "min_quote_volume": 0}, "feed": {"grace_seconds": 20.0}}
    await parts.bus.publish_settings(SettingsChanged(version=1, value=value, at=0))
    follower = asyncio.ensure_future(follow_settings(parts.service))
    await parts.service.settings.arrived.wait()
    fetcher = asyncio.ensure_future(parts.fetch())
    try:
        while parts.feed is None or not parts.feed.held or parts.service.waiting_for:
            await asyncio.sleep(0.05)
        await parts.feed.step()
        while (await parts.bus.load_state(FETCHER)).fields.get("scan") != str(parts.exchange.now).encode():
            await asyncio.sleep(0.05)
        yield parts, parts.feed
    finally:
        parts.service.stopping.set()
        for task in (follower, fetcher):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await parts.bus.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_a_refresh_asks_ahead_of_the_sweep_and_the_sweep_not_again(fresh_valkey: str) -> None:
    """Two of three coins wait for their turn: they are fetched at once, and none twice for one scan."""
    async with running(fresh_valkey) as (parts, feed):
        parts.exchange.asked.clear()
        feed.pass_time(POINTS_OUT_MS)
        while not parts.exchange.asked:  # the sweep has asked for the first
            await asyncio.sleep(0.05)
        await parts.ask(1, now_ms())
        first = await parts.done(1)
        await parts.ask(2, now_ms())
        second = await parts.done(2)
        feed.pass_time(SCAN_MS - POINTS_OUT_MS - 1_000)
        await asyncio.sleep(1.0)
        asked = dict(parts.exchange.asked)
    assert (first.coins, first.polled, first.problem) == (2, (), "")
    assert second.coins == 0
    assert asked == dict.fromkeys(SYMBOLS, 1)


async def test_prices_and_marks_that_do_not_come_are_polled(fresh_valkey: str) -> None:
    """Streams that bring them each second are not asked for; before the points are out nothing else is."""
    async with running(fresh_valkey) as (parts, feed):
        await parts.ask(1, now_ms())
        assert (await parts.done(1)).polled == ()
        feed.silent = 5.0
        await parts.ask(2, now_ms())
        found = await parts.done(2)
    assert (found.polled, found.coins) == (("prices", "marks"), 0)


async def test_a_request_of_long_ago_is_not_followed(fresh_valkey: str) -> None:
    """After a restart an old request is not handled."""
    async with running(fresh_valkey) as (parts, _):
        await parts.ask(1, now_ms() - 120_000)
        await parts.ask(2, now_ms() - 61_000)
        await asyncio.sleep(1.0)
        assert REFRESHED not in (await parts.bus.load_state(FETCHER)).fields


@pytest.mark.parametrize("simulator_arguments", [("--symbols", "8", "--seed", "3", "--speed", "60")])
async def test_a_running_fetcher_refreshes_and_reports_its_weight(feed: Feed) -> None:
    """Over real sockets: some request falls between points and sweep; the day's requests stay one a coin and scan."""
    feed.start_fetcher()
    first = await feed.scan()
    version, coins = 0, 0
    while not coins:
        version += 1
        await feed.bus.publish_settings(RefreshRequested(version=version, at=now_ms()))
        coins = (await done(feed.bus, version)).coins
    scans = (await feed.scans())[-1].scan_id - first.scan_id
    asked = (await feed.status())["requests"]["/futures/data/openInterestHist"]
    weight = msgspec.json.decode((await feed.bus.load_state(FETCHER)).fields[WEIGHT], type=WeightUsed)
    assert asked <= len(first.symbols) * (scans // SCAN_MS + 3)  # the loading and the two sweeps at the ends
    assert 0 <= weight.used <= weight.limit
