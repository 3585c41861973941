"""Prices and marks over REST, where no stream brings them; sockets that went silent are replaced."""

from __future__ import annotations

import asyncio
from typing import Final

from services.fetcher.binance.frames import MARKS, TICKERS
from services.fetcher.binance.rest import BinanceRest
from services.fetcher.binance.streams import Streams
from services.fetcher.derivatives import Mark
from services.fetcher.hearing import Hearing
from services.fetcher.market import Market
from shared import metrics
from shared.contracts import SCAN_MS
from shared.service import Service

OUTAGE_POLL_MS: Final = 5_000  #: between two polls of the prices while a stream should bring them
MARKS_BEFORE_MS: Final = 20_000  #: the close: a scan tells the marks of five minutes before it
SILENT_S: Final = 10.0  #: wall time without a frame after which a socket counts as silent


class Polling:
    """Watches over the age of what the streams bring."""

    def __init__(self, service: Service, market: Market, rest: BinanceRest, streams: Streams, hearing: Hearing) -> None:
        self._service = service
        self._clock = market.clock
        self._rest = rest
        self._streams = streams
        self._hearing = hearing
        self._polled = self._marks_polled = -1  #: numbers of the periods

    async def watch(self) -> None:
        """Poll what the streams do not bring; replace sockets that went silent."""
        metrics.FEED_AGE.set(self._clock.silent_seconds)
        self._replace_the_silent()
        rest_only = self._service.settings.settings.feed.rest_only
        # both tell the time as well
        if rest_only or self._lacking(TICKERS):
            await self._poll_prices()
        if rest_only or self._lacking(MARKS):
            await self._poll_marks()
        await asyncio.sleep(min(1.0, max(0.05, self._clock.wall_seconds(OUTAGE_POLL_MS))))

    def _lacking(self, name: str) -> bool:
        """Whether the stream *name* should bring something and does not."""
        batch = self._streams.bringing(name)
        # in lockstep nothing is sent between the steps: silence says nothing
        longest = SILENT_S if self._clock.speed else float("inf")
        return batch is not None and (not batch.up or batch.silent_seconds > longest)

    def _replace_the_silent(self) -> None:
        if not self._clock.speed:
            return
        stale_ms = self._service.settings.settings.feed.stale_seconds * 1_000
        longest = max(SILENT_S, self._clock.wall_seconds(stale_ms))
        for batch in self._streams.batches:
            if batch.silent_seconds > longest:
                batch.replace("socket silent")

    def _price_ms(self) -> int:
        """Return how far polls are apart: every 5 s they would cost a REST-only scan 120 of its 500 weight."""
        feed = self._service.settings.settings.feed
        if not feed.rest_only:
            return OUTAGE_POLL_MS
        return int(min(feed.rest_price_seconds, feed.stale_seconds / 2) * 1_000)

    async def _poll_prices(self) -> None:
        period = self._clock.now() // self._price_ms()
        if period == self._polled and self._clock.speed:
            return
        self._polled = period
        if not self._clock.speed:
            self._clock.synchronise(await self._rest.server_time(), silence_s=0.5)
        stamp, prices = await self._rest.prices()
        if stamp > self._hearing.last_price_event:
            self._hearing.prices(stamp, prices)
        else:
            self._clock.synchronise(await self._rest.server_time())

    async def _poll_marks(self) -> None:
        """Ask for the mark prices once an interval."""
        interval = (self._clock.now() + MARKS_BEFORE_MS) // SCAN_MS
        if interval == self._marks_polled:
            return
        rows = await self._rest.premiums()
        self._marks_polled = interval
        found = {
            row.symbol: Mark(row.time, row.markPrice, row.indexPrice, row.rate, row.nextFundingTime) for row in rows
        }
        self._hearing.marks(max((row.time for row in rows), default=0), found)
