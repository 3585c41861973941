"""Another exchange behind the port: the whole fetcher, the analyzer and the gatekeeper, on to an alert."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from services.analyzer.__main__ import main as analyzer
from services.fetcher.app import Fetcher, UnknownExchangeError, exchange_of
from services.fetcher.exchange import FeedListener
from services.fetcher.feed.clock import ExchangeClock
from services.gatekeeper.__main__ import main as gatekeeper
from shared.bus import Bus, Lease, RedisBus
from shared.config.environment import Environment
from shared.contracts import FULL_BARS, Alert, MarketSnapshot, SettingsChanged, StateRestored, Stream
from shared.runtime.service import Service

from .fake_exchange import SYMBOLS, FakeExchange, FakeFeed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MARKET = "fake-swap"
#: as shipped but for the gates that ask for a market's past which three scans do not have
SETTINGS = {
    "universe": {"size": 10, "min_quote_volume": 0},
    "feed": {"grace_seconds": 20.0},
    "thresholds": {
        "score": 0,
        "fmqs": 0,
        "squeeze_intervals": [],
        "volume_ratio": 0.5,
        "groups": 0,
        "timeframes": 0,
        "persistence": 0,
    },
}


class Running:
    """The three services in this process over one bus, and the exchange's feed."""

    def __init__(self, url: str) -> None:
        self.exchange = FakeExchange()
        self.feed: FakeFeed | None = None
        self.buses = [RedisBus(url, MARKET) for _ in range(4)]
        environment = Environment(market=MARKET, clock_speed=0, fear_greed_url="http://127.0.0.1:9/")
        names = ("fetcher", "analyzer", "gatekeeper")
        self.services = [Service(name, environment, bus) for name, bus in zip(names, self.buses, strict=False)]

    def connect(
        self, _service: Service, _bus: Bus, _clock: ExchangeClock, listener: FeedListener
    ) -> tuple[FakeExchange, FakeFeed]:
        self.feed = FakeFeed(self.exchange, listener)
        return self.exchange, self.feed

    async def all(self, stream: Stream) -> list[object]:
        """Return everything that is on *stream*."""
        found: list[object] = []
        after = "0-0"
        while page := await self.buses[3].tail({stream: after}, block_ms=0):
            found += [message for _, _, message in page]
            after = page[-1][1]
        return found

    async def fetch(self) -> None:
        """Run the fetcher under a lease of its own."""
        service = self.services[0]
        lease = Lease("fetcher", "test")
        await service.bus.acquire(lease, ttl_ms=600_000)
        for event in await service.bus.newest_settings():
            service.settings.take(event)
        await Fetcher(service, service.bus, lease, self.connect).run()


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Running]:
    """Run all three until the test is done."""
    parts = Running(url)
    bus = parts.buses[3]
    await bus.publish_settings(SettingsChanged(version=1, value=SETTINGS, at=0))
    await bus.publish_settings(StateRestored(version=1))
    tasks = [
        asyncio.ensure_future(parts.fetch()),
        asyncio.ensure_future(analyzer(parts.services[1])),
        asyncio.ensure_future(gatekeeper(parts.services[2])),
    ]
    try:
        yield parts
    finally:
        for service in parts.services:
            service.stopping.set()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for one in parts.buses:
            await one.close()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
                raise result


async def test_an_exchange_without_taker_flow_is_fetched_analysed_and_alerted(fresh_valkey: str) -> None:
    """Full windows by short requests, NaN for what it lacks, and an alert under its own symbols and market."""
    async with running(fresh_valkey) as parts:
        while parts.feed is None or not parts.feed.held or parts.services[0].waiting_for:
            await asyncio.sleep(0.05)
        alerts: list[Alert] = []
        while not alerts:
            close = await parts.feed.step()
            while not any(isinstance(one, MarketSnapshot) and one.scan_id == close for one in await snapshots(parts)):
                await asyncio.sleep(0.05)
            for _ in range(40):
                await asyncio.sleep(0.1)
                alerts = [one for one in await parts.all(Stream.ALERTS) if isinstance(one, Alert)]
                if alerts:
                    break
        newest = [one for one in await snapshots(parts) if one.symbol == SYMBOLS[1]][-1]
    assert parts.exchange.longest_asked == 100
    assert newest.unavailable == ("taker flow", "top-trader ratio")
    assert np.isnan(newest.bars["5m"].matrix[7]).all()
    assert all(np.isfinite(bars.matrix[:6]).all() for bars in newest.bars.values())
    assert all(len(bars) == FULL_BARS for bars in newest.bars.values())
    assert newest.btc_close
    assert newest.problems == ()
    assert newest.depth is not None
    assert newest.derivatives.top_ratio.arrays()[0].size == 0
    assert newest.derivatives.open_interest.arrays()[0].size >= 287
    signals = [alert for alert in alerts if alert.kind in {"signal", "group"}]
    assert signals
    assert all(MARKET in alert.alert_id for alert in signals)


async def snapshots(parts: Running) -> list[MarketSnapshot]:
    """Return the snapshots on the bus."""
    return [one for one in await parts.all(Stream.SNAPSHOTS) if isinstance(one, MarketSnapshot)]


def test_a_market_without_an_exchange_is_named() -> None:
    """One sentence says which variable is wrong and what there is."""
    with pytest.raises(UnknownExchangeError, match=r"^SEVENGATE_MARKET: no exchange for .*there is binance-"):
        exchange_of("kraken-pf")
