"""The stages of one run as tasks of this process, each restarted when it is killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from services.evaluator.runtime.loop import Follower
from services.gatekeeper.runtime.loop import Gatekeeper
from services.notifier.delivery.delivery_log import DeliveryLog, report_of
from shared.bus import Bus, Commit, Delivery, RedisBus
from shared.config.environment import Environment
from shared.contracts import Alert, DeliveryReport, MarketSnapshot, Stream
from shared.runtime.consumer import consume
from shared.runtime.leader import lead
from shared.runtime.service import Service
from shared.runtime.settings_follower import follow_settings, settings_arrived
from tests.chaos.faults import Faults, FaultyBus
from tests.chaos.market import ChaosMarket

DESTINATION = "sink"
FREEZE_SECONDS = 1.3  #: longer than the lease and the claim of a run


@dataclass
class Sink:
    """The outside world: what it got, and in which order."""

    received: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)

    def take(self, alert: Alert) -> None:
        """Receive *alert*."""
        self.received[alert.alert_id] += 1
        self.order.append(alert.alert_id)


Main = Callable[[Service, FaultyBus], Awaitable[None]]


class Stage:
    """One service that comes back whenever it dies, like a process under a supervisor."""

    def __init__(self, name: str, number: int, url: str, market: str, faults: Faults, main: Main) -> None:
        self.name = name
        self.number = number
        self._url, self._market, self._faults, self._main = url, market, faults, main
        self._task: asyncio.Task[None] | None = None
        self.service: Service | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._supervise(), name=f"{self._market} {self.name}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _supervise(self) -> None:
        while True:
            await self._live()
            await asyncio.sleep(0.01)

    async def _live(self) -> None:
        """Run one incarnation until it dies; its connections die with it."""
        bus = RedisBus(self._url, self._market)
        faulty = FaultyBus(self.name, bus, self._faults, FREEZE_SECONDS)
        environment = Environment(clock_speed=0, market=self._market, instance=f"{self.name}-{self.number}")
        service = Service(self.name, environment, faulty)
        self.service = service
        following = asyncio.ensure_future(follow_settings(service))
        working = asyncio.ensure_future(self._work(service, faulty))
        dying = asyncio.ensure_future(faulty.died.wait())
        try:
            await asyncio.wait({dying, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            faulty.dead = True
            for task in (following, working, dying):
                task.cancel()
            results = await asyncio.gather(following, working, dying, return_exceptions=True)
            await bus.redis.aclose()
            await bus.close()
        if isinstance(results[1], Exception):
            raise results[1]

    async def _work(self, service: Service, faulty: FaultyBus) -> None:
        await settings_arrived(service)
        await self._main(service, faulty)


def analyzer(market: ChaosMarket) -> Main:
    """Return an analyzer's main: the shared consuming loop around the market's pure function."""

    async def main(service: Service, faulty: FaultyBus) -> None:
        async def handle(deliveries: Sequence[Delivery]) -> list[Commit | Exception]:
            return [_analysed(market, delivery) for delivery in deliveries]

        await consume(service, "analyzer", [Stream.SNAPSHOTS], handle, count=4)

    return main


def _analysed(market: ChaosMarket, delivery: Delivery) -> Commit:
    snapshot = delivery.message
    assert isinstance(snapshot, MarketSnapshot)
    return Commit(tokens=[delivery.token], outputs=[(Stream.ANALYSES, market.analyse(snapshot))])


async def gatekeeper(service: Service, faulty: FaultyBus) -> None:
    """Run the real gatekeeper under its lease."""
    await lead(service, lambda lease: Gatekeeper(service, lease).work())


async def evaluator(service: Service, faulty: FaultyBus) -> None:
    """Run the real evaluator under its lease."""
    await lead(service, lambda lease: Follower(service, lease).work())


def sender(sink: Sink) -> Main:
    """Return a notifier's main: the real delivery log around a sink in this process."""

    async def main(service: Service, faulty: FaultyBus) -> None:
        delivery_log = DeliveryLog(faulty)  # type: ignore[arg-type]

        async def handle(deliveries: Sequence[Delivery]) -> list[Commit | Exception]:
            return [await _deliver(delivery_log, faulty, sink, delivery) for delivery in deliveries]

        await consume(service, "notifier", [Stream.ALERTS], handle, count=4)

    return main


async def _deliver(delivery_log: DeliveryLog, faulty: FaultyBus, sink: Sink, delivery: Delivery) -> Commit:
    """Deliver one alert: marked before, closed after; a mark found open is `unknown` and not repeated."""
    alert = delivery.message
    assert isinstance(alert, Alert)
    mark = await delivery_log.state_of(alert.alert_id, DESTINATION)
    if mark.open:
        await delivery_log.close(report_of(alert, DESTINATION, "webhook", mark.attempt, "unknown"))
    elif not mark.final and await faulty.do(
        "begin", lambda: delivery_log.begin(alert.alert_id, DESTINATION, mark.attempt + 1)
    ):
        sink.take(alert)
        report = report_of(alert, DESTINATION, "webhook", mark.attempt + 1, "sent")
        await faulty.do("close_mark", lambda: delivery_log.close(report))
    return Commit(tokens=[delivery.token])


async def recorder(
    bus: Bus, stop: asyncio.Event, streams: Sequence[Stream], keep: Callable[[Delivery], object]
) -> None:
    """Keep what the API would, every message of *streams*, acknowledged when it is kept."""
    deliveries = await bus.pending("api", "recorder", streams)
    while not stop.is_set():
        for delivery in deliveries:
            keep(delivery)
        await bus.commit_all([Commit(tokens=[delivery.token]) for delivery in deliveries])
        deliveries = await bus.read("api", "recorder", streams, count=256, block_ms=50)
        if not deliveries:  # what was acknowledged at a master that is lost now
            deliveries = await bus.pending("api", "recorder", streams)


def statuses(reports: Sequence[DeliveryReport]) -> dict[str, set[str]]:
    """Return the statuses that each alert has been reported with."""
    found: dict[str, set[str]] = {}
    for report in reports:
        found.setdefault(report.alert_id, set()).add(report.status)
    return found
