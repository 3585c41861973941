"""Prices and marks by request, where the feed delivers none; stale connections are replaced."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from services.fetcher.exchange import Exchange, Feed, FeedKind
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.listener import MarketListener
from shared import metrics
from shared.contracts import SCAN_MS
from shared.runtime.service import Service

OUTAGE_POLL_MS: Final = 5_000  #: between two polls of the prices while the feed should deliver them
MARKS_BEFORE_MS: Final = 20_000  #: before the close: a scan uses the marks of five minutes before it
LATE_S: Final = 3.0  #: wall time without data after which a refresh asks for it; streams bring it each second
SILENT_S: Final = 10.0  #: wall time without data after which a connection is stale


class Poller:
    """Watches the age of the feed's data."""

    def __init__(
        self, service: Service, clock: ExchangeClock, exchange: Exchange, feed: Feed, listener: MarketListener
    ) -> None:
        self._service = service
        self._clock = clock
        self._exchange = exchange
        self._feed = feed
        self._listener = listener
        self._polled = self._marks_polled = -1  #: numbers of the periods

    async def watch(self) -> None:
        """Poll what the feed does not deliver; replace stale connections."""
        metrics.FEED_AGE.set(self._clock.silent_seconds)
        if self._clock.speed == 1.0 and self._clock.known:
            metrics.CLOCK_OFFSET.set(time.time() - self._clock.now() / 1_000)
        self._replace_the_silent()
        rest_only = self._service.settings.settings.feed.rest_only
        # both answers carry the time as well
        if rest_only or self._lacking("prices"):
            await self._poll_prices()
        if rest_only or self._lacking("marks"):
            await self._poll_marks()
        await asyncio.sleep(min(1.0, max(0.05, self._clock.wall_seconds(OUTAGE_POLL_MS))))

    async def poll_late(self) -> list[str]:
        """Ask for prices and marks that have not come for `LATE_S`; return which were asked for."""
        polled = []
        if self._is_late("prices"):
            stamp, prices = await self._exchange.prices()
            if stamp > self._listener.last_price_event:
                self._listener.prices(stamp, prices)
            polled.append("prices")
        if self._is_late("marks"):
            marks = await self._exchange.mark_prices()
            self._listener.marks(max((mark.at for mark in marks.values()), default=0), marks)
            polled.append("marks")
        return polled

    def _is_late(self, kind: FeedKind) -> bool:
        silent = self._feed.silent_seconds(kind)
        return silent is None or silent >= LATE_S

    def _lacking(self, kind: FeedKind) -> bool:
        """Whether the feed should deliver *kind* and does not."""
        silent = self._feed.silent_seconds(kind)
        # in lockstep nothing is sent between the steps: silence says nothing
        return silent is not None and silent >= (SILENT_S if self._clock.speed else float("inf"))

    def _replace_the_silent(self) -> None:
        if not self._clock.speed:
            return
        stale_ms = self._service.settings.settings.feed.stale_seconds * 1_000
        self._feed.replace_silent(max(SILENT_S, self._clock.wall_seconds(stale_ms)))

    def _price_ms(self) -> int:
        """Return the time between polls: every 5 s they would cost a REST-only scan 120 of its 500 weight."""
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
            self._clock.synchronise(await self._exchange.server_time(), silence_s=0.5)
        stamp, prices = await self._exchange.prices()
        if stamp > self._listener.last_price_event:
            self._listener.prices(stamp, prices)
        else:
            self._clock.synchronise(await self._exchange.server_time())

    async def _poll_marks(self) -> None:
        """Ask for the mark prices once an interval."""
        interval = (self._clock.now() + MARKS_BEFORE_MS) // SCAN_MS
        if interval == self._marks_polled:
            return
        marks = await self._exchange.mark_prices()
        self._marks_polled = interval
        self._listener.marks(max((mark.at for mark in marks.values()), default=0), marks)
