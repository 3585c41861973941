"""The active fetcher: picks the exchange, assembles the parts and runs them while it holds the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from services.fetcher.binance.connection import connect as connect_binance
from services.fetcher.domain.market_state import Market
from services.fetcher.exchange import BlockedError, Exchange, ExchangeError, Feed, FeedListener
from services.fetcher.feed.backfill import Backfill
from services.fetcher.feed.bar_audit import BarAudit
from services.fetcher.feed.bar_collector import BarCollector
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.derivatives_sweep import DerivativesSweep
from services.fetcher.feed.fear_greed import FearAndGreed
from services.fetcher.feed.feed_alerts import FeedAlerts
from services.fetcher.feed.listener import MarketListener
from services.fetcher.feed.poller import Poller
from services.fetcher.feed.reference_data import ReferenceData
from services.fetcher.feed.refresher import Refresher
from services.fetcher.feed.weight_report import WeightReport
from services.fetcher.scan.leader_state import LeaderState
from services.fetcher.scan.loop import ScanLoop
from services.fetcher.scan.packer import SnapshotPacker
from services.fetcher.scan.publisher import ScanPublisher
from services.fetcher.scan.sent_scans import SentScans
from services.fetcher.scan.warm_start import restore
from shared.bus import Bus, Lease, LeaseLost
from shared.contracts import HOUR_MS, SCAN_MS
from shared.runtime.service import Service

ANSWER_DOUBTED_MS: Final = 120_000  #: after a close by the answered time alone; an event is certain
EVENT_PATIENCE_S: Final = 3.0  #: wall time; prices come each second
RETRY_MS: Final = 60_000  #: wait before a failed refresh of the universe is repeated; its volumes cost 40 weight

#: Connects to an exchange: its requests and its feed, which hands over to the listener
Connect = Callable[[Service, Bus, ExchangeClock, FeedListener], tuple[Exchange, Feed]]
#: by the first part of the market's name, as in ``binance-um``
EXCHANGES: Final[dict[str, Connect]] = {"binance": connect_binance}

log = structlog.get_logger()


class UnknownExchangeError(ValueError):
    """No exchange here serves the market; the text names those that there are."""


def exchange_of(market: str) -> Connect:
    """Return what connects to the exchange of *market*."""
    try:
        return EXCHANGES[market.partition("-")[0]]
    except KeyError:
        known = ", ".join(f"{name}-…" for name in EXCHANGES)
        raise UnknownExchangeError(f"SEVENGATE_MARKET: no exchange for {market!r}; there is {known}") from None


@dataclass(frozen=True)
class Parts:
    """What the active fetcher consists of, put together in one place."""

    exchange: Exchange
    feed: Feed
    state: LeaderState
    sentiment: FearAndGreed
    listener: MarketListener
    reference: ReferenceData
    backfill: Backfill
    sweep: DerivativesSweep
    poller: Poller
    refresher: Refresher
    weight: WeightReport
    alerts: FeedAlerts
    scans: ScanLoop


def assemble(
    service: Service, bus: Bus, lease: Lease, market: Market, clock: ExchangeClock, connect: Connect, *, sent: SentScans
) -> Parts:
    """Return the parts, each with the others that it needs."""
    arrivals = asyncio.Event()  #: set by all that the collector of bars may wait for
    listener = MarketListener(market, clock, arrivals, bus, lease)
    exchange, feed = connect(service, bus, clock, listener)
    service.remarks = lambda: exchange.remarks
    state, sentiment = LeaderState(bus, lease), FearAndGreed(service.environment.fear_greed_url)
    reference = ReferenceData(service, market, clock, exchange)
    backfill = Backfill(service, market, clock, exchange)
    sweep = DerivativesSweep(market, clock, exchange, reference, arrivals)
    packer = SnapshotPacker(service, market, clock, exchange, sentiment)
    collector = BarCollector(
        service,
        market,
        clock,
        arrivals,
        exchange=exchange,
        feed=feed,
        sweep=sweep,
        backfill=backfill,
        meanwhile=packer.pack_ahead,
    )
    publisher = ScanPublisher(
        service, bus, lease, market=market, clock=clock, exchange=exchange, state=state, packer=packer, sent=sent
    )
    audit, poller = BarAudit(market, exchange), Poller(service, clock, exchange, feed, listener)
    return Parts(
        exchange=exchange,
        feed=feed,
        state=state,
        sentiment=sentiment,
        listener=listener,
        reference=reference,
        backfill=backfill,
        sweep=sweep,
        poller=poller,
        refresher=Refresher(service, state, poller, sweep),
        weight=WeightReport(service, state, exchange.budget),
        alerts=FeedAlerts(service, clock, state, exchange, feed),
        scans=ScanLoop(
            service, market, clock, listener=listener, collector=collector, publisher=publisher, audit=audit
        ),
    )


class Fetcher:
    """The work of the active process."""

    def __init__(
        self, service: Service, bus: Bus, lease: Lease, connect: Connect, sent: SentScans | None = None
    ) -> None:
        self.service = service
        self.bus = bus
        self.clock = ExchangeClock(service.environment.clock_speed)
        self.market = Market()
        self.parts = assemble(service, bus, lease, self.market, self.clock, connect, sent=sent or SentScans())
        self._wanted: Any = self._wishes()
        self._universe_due = 0  #: exchange clock

    @property
    def feed_settings(self) -> Any:
        """The feed's settings of now."""
        return self.service.settings.settings.feed

    def _wishes(self) -> Any:
        """Return the settings that decide which coins are held."""
        return self.service.settings.settings.universe, self.feed_settings.rest_only

    async def run(self) -> None:
        """Work until the lease is lost or the service stops."""
        parts = self.parts
        await parts.exchange.open()
        try:
            await parts.state.load()
            jobs = (
                parts.scans.follow,
                parts.scans.watch_bus,
                parts.sweep.follow,
                parts.listener.publish_ticks,
                parts.poller.watch,
                parts.refresher.follow,
                parts.weight.follow,
                parts.reference.follow_funding,
                self._refresh,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_going(parts.alerts.watch))
                await self._begin()
                for job in jobs:
                    group.create_task(self._keep_going(job))
        except* LeaseLost:
            log.warning("the lease is lost")
        finally:
            await parts.scans.stop()
            await parts.feed.close()
            await parts.exchange.close()

    async def _keep_going(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run *job* in a loop; after a failure of the exchange or the bus, wait and go on."""
        while not self.service.stopping.is_set():
            try:
                await job()
            except (ExchangeError, BlockedError, RedisError, OSError) as error:
                log.warning("a part of the feed has to wait", part=job.__qualname__, error=str(error))
                await self.service.pause(1.0)

    async def _begin(self) -> None:
        """Learn time, contracts and universe; fill the windows; listen."""
        parts = self.parts
        await parts.exchange.budget.remembered_ban()
        await self._until_given("the exchange's clock", self._learn_time)
        await self._until_given("the contracts", parts.reference.refresh_universe)
        await restore(self.market, self.bus, parts.state.fields.get("first", b"").decode())
        await self._listen()
        await self._doubt_the_answer()
        await parts.backfill.load()
        await parts.scans.resume()

    async def _until_given(self, what: str, ask: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await ask()
            except (ExchangeError, BlockedError) as error:
                self.service.beat(f"{what}: {error}")
                log.warning("the exchange does not give what is needed", what=what, error=str(error))
                await asyncio.sleep(min(5.0, getattr(error, "seconds", 1.0)))

    async def _learn_time(self) -> None:
        """Ask for the time; where that is not served, use the price list's stamps."""
        exchange = self.parts.exchange
        try:
            self.clock.synchronise(await exchange.server_time())
        except ExchangeError:
            stamp, _ = await exchange.prices()
            self.clock.synchronise(stamp)

    async def _doubt_the_answer(self) -> None:
        """Wait for an event where a bar has just closed by the answered time, which may be ahead of the true one."""
        just_closed = self.clock.now() % SCAN_MS < ANSWER_DOUBTED_MS
        if just_closed and self.clock.speed and not self.feed_settings.rest_only:
            await self.clock.confirmed(EVENT_PATIENCE_S)

    async def _listen(self) -> None:
        if self.feed_settings.rest_only:
            await self.parts.feed.close()
        else:
            await self.parts.feed.hold(self.market.selection.held)

    async def _refresh(self) -> None:
        """Refresh the universe hourly and when its settings change, the sentiment when it is due."""
        now, parts = self.clock.now(), self.parts
        await parts.sentiment.refresh()
        if not self._universe_due:
            self._universe_due = now + HOUR_MS
        if now >= self._universe_due or self._wishes() != self._wanted:
            self._wanted, self._universe_due = self._wishes(), now + RETRY_MS
            await parts.reference.refresh_universe()
            await self._listen()
            await parts.backfill.load()
            self._universe_due = now + HOUR_MS
        await self.service.pause(min(5.0, max(1.0, self.clock.wall_seconds(30_000))))
