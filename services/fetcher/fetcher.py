"""The active fetcher: puts its parts together and runs them while it has the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from services.fetcher.alarms import Alarms
from services.fetcher.binance.errors import FeedError
from services.fetcher.binance.rest import BinanceRest
from services.fetcher.binance.streams import Streams
from services.fetcher.budget import BlockedError, Ledger
from services.fetcher.checks import Checks
from services.fetcher.clock import ExchangeClock
from services.fetcher.gathering import Gathering
from services.fetcher.hearing import Hearing
from services.fetcher.journal import Journal
from services.fetcher.listing import HOUR_MS, Listing
from services.fetcher.market import Market
from services.fetcher.mending import Mending
from services.fetcher.polling import Polling
from services.fetcher.publishing import Publishing
from services.fetcher.restoring import restore
from services.fetcher.scans import Scans
from services.fetcher.sentiment import FearAndGreed
from services.fetcher.sweep import Sweep
from shared.bus import Lease, LeaseLost, RedisBus
from shared.service import Service

RETRY_MS: Final = 60_000  #: a universe that could not be refreshed is asked for again; its volumes cost 40

log = structlog.get_logger()


class Fetcher:
    """All that works while this process is the active one."""

    def __init__(self, service: Service, bus: RedisBus, lease: Lease) -> None:
        environment = service.environment
        self.service = service
        self.bus = bus
        self.clock = ExchangeClock(environment.clock_speed)
        self.ledger = Ledger(bus, self.clock, lambda: self.feed.budget_share)
        self.rest = BinanceRest(environment.binance_rest_url, self.ledger, self.clock)
        self.market = Market(self.clock)
        self.hearing = Hearing(self.market, bus, lease)
        self.streams = Streams(environment.binance_ws_url, self.hearing, self._socket_seconds)
        self.sentiment = FearAndGreed(environment.fear_greed_url)
        self.journal = Journal(bus, lease)
        self.alarms = Alarms(service, self.clock, self.journal, self.ledger, self.streams)
        self.listing = Listing(service, self.market, self.rest)
        self.mending = Mending(service, self.market, self.rest)
        self.polling = Polling(service, self.market, self.rest, self.streams, self.hearing)
        self.sweep = Sweep(self.market, self.rest, self.listing)
        self.scans = Scans(
            service,
            self.market,
            hearing=self.hearing,
            gathering=Gathering(
                service,
                self.market,
                streams=self.streams,
                sweep=self.sweep,
                mending=self.mending,
                refused=lambda: self.ledger.blocked,
            ),
            publishing=Publishing(
                service, bus, lease, market=self.market, journal=self.journal, sentiment=self.sentiment
            ),
            checks=Checks(self.market, self.rest),
        )
        self._wanted: Any = self._wishes()
        self._universe_due = 0  #: exchange clock

    @property
    def feed(self) -> Any:
        """The feed's settings of now."""
        return self.service.settings.settings.feed

    def _socket_seconds(self) -> float:
        """Return the age, in wall time, at which a socket is replaced."""
        return float(self.feed.socket_hours * 3_600 / (self.clock.speed or 1.0))

    def _wishes(self) -> Any:
        """Return the settings that decide which coins are held, and how."""
        return self.service.settings.settings.universe, self.feed.rest_only

    async def run(self) -> None:
        """Work until the lease is lost or the service stops."""
        await self.rest.open()
        try:
            await self.journal.load()
            jobs = (
                self.scans.follow,
                self.sweep.follow,
                self.hearing.publish_ticks,
                self.polling.watch,
                self.listing.follow_funding,
                self._keep_house,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(self._kept_up(self.alarms.watch))
                await self._begin()
                for job in jobs:
                    group.create_task(self._kept_up(job))
        except* LeaseLost:
            log.warning("the lease is lost")
        finally:
            await self.scans.stop()
            await self.streams.close()
            await self.rest.close()

    async def _kept_up(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run *job* for ever; what the exchange or the bus fail in is waited out."""
        while not self.service.stopping.is_set():
            try:
                await job()
            except (FeedError, BlockedError, RedisError, OSError) as error:
                log.warning("a part of the feed has to wait", part=job.__qualname__, error=str(error))
                await self.service.pause(1.0)

    async def _begin(self) -> None:
        """Learn time, contracts and universe; fill the windows; listen."""
        await self.ledger.remembered_ban()
        await self._until_given("the exchange's clock", self._learn_time)
        await self._until_given("the contracts", self.listing.refresh_universe)
        await restore(self.market, self.bus, self.journal.fields.get("first", b"").decode())
        await self._listen()
        await self.mending.load()
        await self.scans.resume()

    async def _until_given(self, what: str, ask: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await ask()
            except (FeedError, BlockedError) as error:
                self.service.beat(f"{what}: {error}")
                log.warning("the exchange does not give what is needed", what=what, error=str(error))
                await asyncio.sleep(min(5.0, getattr(error, "seconds", 1.0)))

    async def _learn_time(self) -> None:
        """Ask for the time; where that is not served, the price list's stamps have to do."""
        try:
            self.clock.synchronise(await self.rest.server_time())
        except FeedError:
            stamp, _ = await self.rest.prices()
            self.clock.synchronise(stamp)

    async def _listen(self) -> None:
        if self.feed.rest_only:
            await self.streams.close()
        else:
            await self.streams.hold(self.market.selection.held)

    async def _keep_house(self) -> None:
        """Refresh the universe hourly and when its settings change, the sentiment when it is due."""
        now = self.clock.now()
        await self.sentiment.refresh()
        if not self._universe_due:
            self._universe_due = now + HOUR_MS
        if now >= self._universe_due or self._wishes() != self._wanted:
            self._wanted, self._universe_due = self._wishes(), now + RETRY_MS
            await self.listing.refresh_universe()
            await self._listen()
            await self.mending.load()
            self._universe_due = now + HOUR_MS
        await self.service.pause(min(5.0, max(1.0, self.clock.wall_seconds(30_000))))
