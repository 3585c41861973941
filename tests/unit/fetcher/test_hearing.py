"""What the streams bring becomes ticks: one a second, each of them on the bus before the next scan."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.market_state import Market
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.listener import MarketListener
from services.fetcher.scan.loop import ScanLoop
from shared.bus import Lease
from shared.bus.wire import PackedSnapshot
from shared.contracts import Message, PriceTick, Stream
from tests.memory_bus import MemoryBus
from tests.patience import PATIENCE_S


async def listener_on(bus: MemoryBus) -> MarketListener:
    """Return a listener to one coin that publishes on *bus*."""
    market, lease = Market(), Lease("fetcher", "a")
    await bus.acquire(lease, ttl_ms=60_000)
    market.learn({"BTCUSDT": Instrument("BTCUSDT", 0.1, 0, True)})
    return MarketListener(market, ExchangeClock(1.0), asyncio.Event(), bus, lease)


async def ticks_on(bus: MemoryBus) -> list[PriceTick]:
    """Return the ticks that are on *bus*."""
    return [one for _, _, one in await bus.tail({Stream.TICKS: "0-0"}, block_ms=0) if isinstance(one, PriceTick)]


async def test_frames_that_come_a_little_early_are_ticks_all_the_same() -> None:
    """A second apart give or take 5 ms: every one is a tick; twice in a second is one."""
    bus = MemoryBus()
    listener = await listener_on(bus)
    times = [10_500, 11_495, 12_505, 13_500, 13_900, 14_500]
    for at in times:
        listener.prices(at, {"BTCUSDT": float(at)})
    async with asyncio.timeout(PATIENCE_S):
        await listener.publish_ticks()
    ticks = await ticks_on(bus)
    assert [tick.at for tick in ticks] == [10_500, 11_495, 12_505, 13_500, 14_500]
    assert ticks[-1].prices == {"BTCUSDT": 14_500.0}


class SlowBus(MemoryBus):
    """Takes a message when it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answering = asyncio.Event(), asyncio.Event()

    async def publish(
        self, stream: Stream, messages: Sequence[Message | PackedSnapshot], *, lease: Lease | None = None
    ) -> list[str]:
        self.asked.set()
        await self.answering.wait()
        return await super().publish(stream, messages, lease=lease)


class Publisher:
    """Notes the ticks that are on the bus when a scan is opened."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus, self.ticks = bus, list[PriceTick]()

    async def open(self, close: int) -> None:
        self.ticks = await ticks_on(self.bus)


async def test_the_prices_before_a_close_are_on_the_bus_before_its_scan() -> None:
    """A tick is on its way, and another one waits: the scan is opened after both, and each is there once."""
    bus = SlowBus()
    listener, publisher = await listener_on(bus), Publisher(bus)
    parts: dict[str, Any] = {"listener": listener, "collector": None, "publisher": publisher, "audit": None}
    service: Any = None
    loop = ScanLoop(service, Market(), ExchangeClock(1.0), **parts)
    listener.prices(10_500, {"BTCUSDT": 1.0})
    publishing = asyncio.ensure_future(listener.publish_ticks())
    async with asyncio.timeout(PATIENCE_S):
        await bus.asked.wait()
        listener.prices(11_500, {"BTCUSDT": 2.0})
        opening = asyncio.ensure_future(loop._open(12_000))
        await asyncio.sleep(0)
        bus.answering.set()
        await asyncio.gather(publishing, opening)
    assert [tick.at for tick in publisher.ticks] == [10_500, 11_500]
    assert await ticks_on(bus) == publisher.ticks
