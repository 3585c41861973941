"""Distributes the feed's data: bars to their windows, prices to the ticks, marks to the derivatives."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from services.fetcher.domain.derivatives import MarkPrice
from services.fetcher.domain.market_state import Market
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.counting import count
from shared import metrics
from shared.bus import Bus, Lease
from shared.contracts import Floats, PriceTick, Stream

TICK_MS: Final = 1_000  #: exchange clock: each second has at most one tick
TICKS_HELD: Final = 600  #: while the bus does not answer


class MarketListener:
    """A `FeedListener`: takes data from streams or polls, and publishes the ticks."""

    def __init__(self, market: Market, clock: ExchangeClock, arrivals: asyncio.Event, bus: Bus, lease: Lease) -> None:
        self.last_bar_at = 0.0  #: monotonic, of the newest closed bar's frame
        self.last_price_event = 0
        self._market, self._clock = market, clock
        self._arrivals = arrivals
        self._bus, self._lease = bus, lease
        self._ticks: deque[PriceTick] = deque(maxlen=TICKS_HELD)
        self._tick_ready = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._last_tick = 0

    def closed_bar(self, symbol: str, bar: Floats, event_time: int) -> None:
        """Take a closed bar."""
        count([self._market.offer(symbol, bar)])
        self.last_bar_at = time.monotonic()
        self._note(event_time)

    def prices(self, event_time: int, prices: dict[str, float]) -> None:
        """Take last prices; those far from the mark price are left out."""
        for symbol, price in prices.items():
            if not self._market.take_price(symbol, price):
                metrics.FEED_FAULTS.labels("price far from mark").inc()
        self.last_price_event = max(self.last_price_event, event_time)
        # frames come a second apart, some of them a few ms less: none of those is to be left out
        if event_time // TICK_MS > self._last_tick // TICK_MS and self._market.prices:
            self._last_tick = event_time
            self._ticks.append(PriceTick(at=event_time, prices=dict(self._market.prices)))
            self._tick_ready.set()
        self._note(event_time)

    def marks(self, event_time: int, marks: dict[str, MarkPrice]) -> None:
        """Take mark prices and the running funding rates."""
        for symbol, coin in self._market.coins.items():
            if (mark := marks.get(symbol)) is not None:
                coin.derivatives.observe(mark)
        self._note(event_time)

    def _note(self, event_time: int) -> None:
        self._clock.observe(event_time)
        self._arrivals.set()

    async def publish_ticks(self) -> None:
        """Wait for a tick, and publish it."""
        await self._tick_ready.wait()
        self._tick_ready.clear()
        await self.publish_waiting()

    async def publish_waiting(self) -> None:
        """Publish the ticks that wait; return when they are on the bus, whoever published them."""
        async with self._one_at_a_time:
            while self._ticks:
                await self._bus.publish(Stream.TICKS, [self._ticks[0]], lease=self._lease)
                self._ticks.popleft()
