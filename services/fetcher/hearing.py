"""What the streams bring: bars to their windows, prices to the ticks, marks to the derivatives."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from services.fetcher.binance.frames import Listener
from services.fetcher.derivatives import Mark
from services.fetcher.market import Market
from shared.bus import Bus, Lease
from shared.contracts import Floats, PriceTick, Stream

TICK_MS: Final = 1_000  #: exchange clock: each second has at most one tick
TICKS_HELD: Final = 600  #: while the bus does not answer


class Hearing(Listener):
    """Takes what is heard, whether by stream or by poll, and publishes the ticks."""

    def __init__(self, market: Market, bus: Bus, lease: Lease) -> None:
        self.last_bar_at = 0.0  #: monotonic, of the newest closed bar's frame
        self.last_price_event = 0
        self._market = market
        self._clock = market.clock
        self._bus, self._lease = bus, lease
        self._ticks: deque[PriceTick] = deque(maxlen=TICKS_HELD)
        self._tick_ready = asyncio.Event()
        self._last_tick = 0

    def closed_bar(self, symbol: str, bar: Floats, event_time: int) -> None:
        """Take a bar from the streams."""
        self._market.offer(symbol, bar)
        self.last_bar_at = time.monotonic()
        self._noted(event_time)

    def prices(self, event_time: int, prices: dict[str, float]) -> None:
        """Take last prices; those far beyond the mark price are left out."""
        for symbol, price in prices.items():
            self._market.take_price(symbol, price)
        self.last_price_event = max(self.last_price_event, event_time)
        # frames come a second apart, some of them a few ms less: none of those is to be left out
        if event_time // TICK_MS > self._last_tick // TICK_MS and self._market.prices:
            self._last_tick = event_time
            self._ticks.append(PriceTick(at=event_time, prices=dict(self._market.prices)))
            self._tick_ready.set()
        self._noted(event_time)

    def marks(self, event_time: int, marks: dict[str, Mark]) -> None:
        """Take mark prices and the running funding rates."""
        for symbol, coin in self._market.coins.items():
            if (mark := marks.get(symbol)) is not None:
                coin.derivatives.observe(mark)
        self._noted(event_time)

    def _noted(self, event_time: int) -> None:
        self._clock.observe(event_time)
        self._market.moved.set()

    async def publish_ticks(self) -> None:
        """Put the ticks that wait on the bus."""
        await self._tick_ready.wait()
        self._tick_ready.clear()
        while self._ticks:
            await self._bus.publish(Stream.TICKS, [self._ticks[0]], lease=self._lease)
            self._ticks.popleft()
