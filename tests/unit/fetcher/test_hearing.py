"""What the streams bring becomes ticks: one a second."""

from __future__ import annotations

import asyncio

from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.market_state import Market
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.listener import MarketListener
from shared.bus import Lease
from shared.contracts import PriceTick, Stream
from tests.memory_bus import MemoryBus
from tests.patience import PATIENCE_S


async def test_frames_that_come_a_little_early_are_ticks_all_the_same() -> None:
    """A second apart give or take 5 ms: every one is a tick; twice in a second is one."""
    bus, market = MemoryBus(), Market()
    lease = Lease("fetcher", "a")
    await bus.acquire(lease, ttl_ms=60_000)
    market.learn({"BTCUSDT": Instrument("BTCUSDT", 0.1, 0, True)})
    listener = MarketListener(market, ExchangeClock(1.0), asyncio.Event(), bus, lease)
    times = [10_500, 11_495, 12_505, 13_500, 13_900, 14_500]
    for at in times:
        listener.prices(at, {"BTCUSDT": float(at)})
    async with asyncio.timeout(PATIENCE_S):
        await listener.publish_ticks()
    ticks = [one for _, _, one in await bus.tail({Stream.TICKS: "0-0"}, block_ms=0) if isinstance(one, PriceTick)]
    assert [tick.at for tick in ticks] == [10_500, 11_495, 12_505, 13_500, 14_500]
    assert ticks[-1].prices == {"BTCUSDT": 14_500.0}
