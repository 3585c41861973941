"""The deliverer: a worker for each destination, and the scheduler of postponed jobs."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Final

import structlog
from redis.exceptions import RedisError

from services.notifier.deliverer.pool_process import PoolProcess
from services.notifier.deliverer.scheduler import JobScheduler
from services.notifier.delivery.delivery_log import DeliveryLog
from shared import metrics
from shared.bus import Lease, RedisBus
from shared.contracts import DeliveryReport, Stream
from shared.runtime.service import Service
from shared.runtime.settings_follower import follow_settings, settings_arrived

CHECK_S: Final = 0.5
SCHEDULER_LEASE_MS: Final = 5_000  #: a killed deliverer's postponed jobs wait so long

log = structlog.get_logger()


async def main(service: Service, pool: PoolProcess) -> None:
    """Keep a worker for each destination of the newest settings."""
    bus = service.bus
    if not isinstance(bus, RedisBus):
        raise TypeError("the deliverer needs Redis: its jobs live there")
    tasks = [asyncio.ensure_future(follow_settings(service)), asyncio.ensure_future(count_reports(service, bus))]
    scheduler = JobScheduler(service.environment, bus.market)
    try:
        if await settings_arrived(service):
            await _keep(service, pool, scheduler, bus)
    finally:
        for task in tasks:
            task.cancel()


async def _keep(service: Service, pool: PoolProcess, scheduler: JobScheduler, bus: RedisBus) -> None:
    lease, delivery_log = Lease("delivery-clock", f"{service.instance}-{secrets.token_hex(4)}"), DeliveryLog(bus)
    while not service.stopping.is_set():
        names = frozenset(service.settings.settings.destinations)
        pool.ensure(names)
        try:
            if await bus.acquire(lease, ttl_ms=SCHEDULER_LEASE_MS):
                await asyncio.to_thread(scheduler.tick, names)
            metrics.SUSPENDED.set(len(await delivery_log.suspended()))
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
