"""What the streams bring becomes ticks: one a second."""

from __future__ import annotations

import asyncio

from services.fetcher.clock import ExchangeClock
from services.fetcher.hearing import Hearing
from services.fetcher.market import Market
from services.fetcher.universe import Instrument
from shared.bus import Lease
from shared.bus.memory import MemoryBus
from shared.contracts import PriceTick, Stream


async def test_frames_that_come_a_little_early_are_ticks_all_the_same() -> None:
    """A second apart give or take 5 ms: every one is a tick; twice in a second is one."""
    bus, market = MemoryBus(), Market(ExchangeClock(1.0))
    lease = Lease("fetcher", "a")
    await bus.acquire(lease, ttl_ms=60_000)
    market.learn({"BTCUSDT": Instrument("BTCUSDT", 0.1, 0, True)})
    hearing = Hearing(market, bus, lease)
    times = [10_500, 11_495, 12_505, 13_500, 13_900, 14_500]
    for at in times:
        hearing.prices(at, {"BTCUSDT": float(at)})
    async with asyncio.timeout(5):
        await hearing.publish_ticks()
    ticks = [one for _, _, one in await bus.tail({Stream.TICKS: "0-0"}, block_ms=0) if isinstance(one, PriceTick)]
    assert [tick.at for tick in ticks] == [10_500, 11_495, 12_505, 13_500, 14_500]
    assert ticks[-1].prices == {"BTCUSDT": 14_500.0}
