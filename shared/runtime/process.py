"""Runs a service as this process, until it ends or a signal asks it to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog
import uvloop
from redis.exceptions import RedisError

from shared import metrics
from shared.bus import RedisBus, ServiceReport, wait_for_redis
from shared.config.environment import Environment
from shared.runtime.health import serve_health
from shared.runtime.logging import configure_logging
from shared.runtime.memory import give_back
from shared.runtime.service import Service
from shared.version import version

REPORT_S: Final = 5.0  #: between two reports of how it is going
WAKE_S: Final = 0.1  #: between two looks for reads that a stop has to wait for

log = structlog.get_logger()


def run(name: str, main: Callable[[Service], Awaitable[None]]) -> None:
    """Run a service's *main* as this process, until it ends or a signal asks it to."""
    environment = Environment()
    configure_logging(environment.log_level, environment.log_format)
    metrics.BUILD.info({"version": version(), "service": name})
    structlog.contextvars.bind_contextvars(service=name)
    uvloop.run(_run(name, main, environment))


async def _run(name: str, main: Callable[[Service], Awaitable[None]], environment: Environment) -> None:
    bus = RedisBus(environment.redis_url, environment.market)
    service = Service(name, environment, bus)
    _stop_on_signals(service)
    runner = await serve_health(service)
    waiting = asyncio.ensure_future(wait_for_redis(bus, log=log))
    stopped = asyncio.ensure_future(service.stopping.wait())
    await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    waking = asyncio.ensure_future(_wake(service))
    try:
        if not service.stopping.is_set():
            log.info("started", instance=service.instance)
            async with _reporting(service, bus):
                await main(service)
    finally:
        for task in (stopped, waking):
            task.cancel()
        await asyncio.gather(waking, return_exceptions=True)
        await runner.cleanup()
        await bus.close()
        log.info("stopped")


async def _wake(service: Service) -> None:
    """End the blocking reads once *service* is asked to stop: its loops look for that between two of them."""
    await service.stopping.wait()
    while True:
        buses = [each.bus for each in (service, *service.parts) if isinstance(each.bus, RedisBus)]
        await asyncio.gather(*(bus.wake() for bus in buses), return_exceptions=True)  # one that is away delays no other
        await asyncio.sleep(WAKE_S)


@contextlib.asynccontextmanager
async def _reporting(service: Service, bus: RedisBus) -> AsyncIterator[None]:
    """Say on the bus how *service* is going, for as long as the block runs."""
    reporting = asyncio.ensure_future(_report(service, bus))
    try:
        yield
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await bus.reports.take_back(service.instance)


async def _report(service: Service, bus: RedisBus) -> None:
    """Report every few seconds, and give back what memory the scan has freed meanwhile."""
    while True:
        report = ServiceReport(
            service=service.name,
            instance=service.instance,
            at=time.time_ns() // 1_000_000,
            waiting_for=service.waiting_for,
            remarks=tuple(service.remarks()),
        )
        with contextlib.suppress(RedisError, OSError):  # the service itself reports a bus that is away
            await bus.reports.put(report)
        give_back()
        await asyncio.sleep(REPORT_S)


def _stop_on_signals(service: Service) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stopping.set)
