"""The deliverer: one worker process for each destination, and the clock of postponed jobs."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import secrets
import time
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from services.notifier.entry import work
from services.notifier.ledger import Ledger
from services.notifier.popped import Popped
from services.notifier.queues import connect, queue_name
from shared import metrics
from shared.bus import Lease, RedisBus
from shared.contracts import DeliveryReport, Stream
from shared.service import Service, run

CHECK_S: Final = 0.5
CLOCK_LEASE_MS: Final = 5_000  #: a killed deliverer's postponed jobs wait so long
RESTART_S: Final = 3.0  #: between two starts of one destination's worker
STOP_S: Final = 10.0  #: for workers to finish their job

log = structlog.get_logger()


class Pool:
    """The worker processes, by destination."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["services.notifier.worker"])
        self._workers: dict[str, ForkServerProcess] = {}
        self._started: dict[str, float] = {}

    def ensure(self, destinations: set[str]) -> None:
        """Start what is missing or has died, stop what is not wanted any more."""
        for name in list(self._workers):
            if name not in destinations:
                self._workers.pop(name).terminate()
            elif not self._workers[name].is_alive():
                log.warning("a worker has died", destination=name, code=self._workers[name].exitcode)
                del self._workers[name]
        now = time.monotonic()
        for name in sorted(destinations - self._workers.keys()):
            if now - self._started.get(name, -RESTART_S) < RESTART_S:
                continue
            self._started[name] = now
            self._workers[name] = self._context.Process(target=work, args=(name,), daemon=True)
            self._workers[name].start()

    def stop(self) -> None:
        """Let the workers finish; kill those that hang."""
        for process in self._workers.values():
            process.terminate()
        for process in self._workers.values():
            process.join(STOP_S)
            if process.is_alive():
                process.kill()
                process.join(1.0)

    def pids(self) -> dict[str, int | None]:
        return {name: process.pid for name, process in self._workers.items()}


class Clock:
    """Puts jobs back into their queues: the postponed when their time has come, and what a dead worker left."""

    def __init__(self, url: str, market: str) -> None:
        self._connection = connect(url)
        self._market = market
        self._names: frozenset[str] = frozenset()
        self._scheduler: Any = None  # rq's scheduler has no types
        self._popped = Popped(self._connection)

    def tick(self, destinations: frozenset[str]) -> None:
        """Do what is due; only one deliverer may, which a lease sees to."""
        names = [queue_name(self._market, name) for name in sorted(destinations)]
        if destinations != self._names or self._scheduler is None:
            self._names = destinations
            self._scheduler = RQScheduler(
                names, connection=self._connection, serializer=JSONSerializer, logging_level="WARNING"
            )
            self._scheduler.prepare_registries(names)
        self._scheduler.enqueue_scheduled_jobs()
        self._popped.put_back(names)


async def main(service: Service) -> None:
    """Keep a worker for each destination of the newest settings."""
    bus = service.bus
    if not isinstance(bus, RedisBus):
        raise TypeError("the deliverer needs Redis: its jobs live there")
    tasks = [asyncio.ensure_future(service.follow_settings()), asyncio.ensure_future(count_reports(service, bus))]
    pool = Pool()
    clock = Clock(service.environment.redis_url, bus.market)
    try:
        if await service.settings_arrived():
            await _keep(service, pool, clock, bus)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(pool.stop)


async def _keep(service: Service, pool: Pool, clock: Clock, bus: RedisBus) -> None:
    lease, ledger = Lease("delivery-clock", f"{service.instance}-{secrets.token_hex(4)}"), Ledger(bus)
    while not service.stopping.is_set():
        names = frozenset(service.settings.settings.destinations)
        pool.ensure(set(names))
        try:
            if await bus.acquire(lease, ttl_ms=CLOCK_LEASE_MS):
                await asyncio.to_thread(clock.tick, names)
            metrics.PARKED.set(len(await ledger.parked()))
            service.beat()
        except (RedisError, OSError) as error:
            log.warning("the bus does not answer", error=str(error))
            service.beat("redis")
        await service.pause(CHECK_S)
    with contextlib.suppress(RedisError, OSError):
        await bus.release(lease)


async def count_reports(service: Service, bus: RedisBus) -> None:
    """Count the reports that come by: the workers have no metrics page of their own."""
    after = ""
    while not service.stopping.is_set():
        try:
            after = after or await bus.last_id(Stream.DELIVERIES)
            for _, entry_id, report in await bus.tail({Stream.DELIVERIES: after}):
                after = entry_id
                if isinstance(report, DeliveryReport):
                    metrics.DELIVERIES.labels(report.channel, report.status).inc()
                    metrics.DELIVERY_SECONDS.labels(report.channel).observe(report.seconds)
        except (RedisError, OSError):
            await service.pause(1.0)


if __name__ == "__main__":
    run("deliverer", main)
