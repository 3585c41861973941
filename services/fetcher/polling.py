"""Prices and marks over REST, where no stream brings them; sockets that went silent are replaced."""

from __future__ import annotations

import asyncio
from typing import Final

from services.fetcher.binance.rest import BinanceRest
from services.fetcher.binance.streams import Streams
from services.fetcher.derivatives import Mark
from services.fetcher.hearing import Hearing
from services.fetcher.market import Market
from shared import metrics
from shared.contracts import SCAN_MS
from shared.service import Service

POLL_MS: Final = 5_000  #: between two polls of the prices
SILENT_S: Final = 10.0  #: wall time without a frame after which a socket counts as silent


class Polling:
    """Watches over the age of what the streams bring."""

    def __init__(self, service: Service, market: Market, rest: BinanceRest, streams: Streams, hearing: Hearing) -> None:
        self._service = service
        self._clock = market.clock
        self._rest = rest
        self._streams = streams
        self._hearing = hearing
        self._polled = self._marks_polled = 0

    async def watch(self) -> None:
        """Poll what the streams do not bring; replace streams that went silent."""
        metrics.FEED_AGE.set(self._clock.silent_seconds)
        if self._service.settings.settings.feed.rest_only or self._tickers_are_silent():
            await self._poll()
        await asyncio.sleep(max(0.2, min(1.0, self._clock.wall_seconds(POLL_MS))))

    def _tickers_are_silent(self) -> bool:
        # in lockstep nothing is sent between the steps: silence says nothing
        longest = SILENT_S if self._clock.speed else float("inf")
        batches = self._streams.batches
        silent = [batch for batch in batches if not batch.up or batch.silent_seconds > longest]
        if not batches or not silent:
            return False
        stale_ms = self._service.settings.settings.feed.stale_seconds * 1_000
        for batch in silent if self._clock.speed else ():
            if batch.silent_seconds > max(SILENT_S, self._clock.wall_seconds(stale_ms)):
                batch.replace("socket silent")
        return silent[0] is batches[0]

    async def _poll(self) -> None:
        """Ask for prices and, where they are old, for mark prices; both tell the time as well."""
        now = self._clock.now()
        if now - self._polled < POLL_MS and self._clock.speed:
            return
        self._polled = now
        if not self._clock.speed:
            self._clock.synchronise(await self._rest.server_time(), silence_s=0.5)
        stamp, prices = await self._rest.prices()
        if stamp > self._hearing.last_price_event:
            self._hearing.prices(stamp, prices)
        else:
            self._clock.synchronise(await self._rest.server_time())
        if now - self._marks_polled >= SCAN_MS - POLL_MS:
            self._marks_polled = now
            await self._poll_marks()

    async def _poll_marks(self) -> None:
        rows = await self._rest.premiums()
        found = {
            row.symbol: Mark(row.time, row.markPrice, row.indexPrice, row.rate, row.nextFundingTime) for row in rows
        }
        self._hearing.marks(max(row.time for row in rows), found)
