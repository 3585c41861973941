"""What every service has: logging, signals, health and metrics, settings, leases, the run loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
import uvloop
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from redis.exceptions import RedisError

from shared import metrics
from shared.bus import Bus, Commit, CommitResult, Delivery, Lease, LeaseLost, RedisBus, wait_for_redis
from shared.contracts import MutesChanged, PriceAlertsChanged, SettingsChanged, SettingsEvent, StateRestored, Stream
from shared.settings import Environment, RuntimeSettings, explain

LEASE_MS: Final = 9_000  #: a dead holder is replaced within this and one renewal
CLAIM_AFTER_MS: Final = 15_000  #: above the slowest honest job
STUCK_AFTER_S: Final = 60.0  #: without progress a service is unhealthy
KEPT_VERSIONS: Final = 16  #: of the settings

log = structlog.get_logger()


def configure_logging(level: str, style: str) -> None:
    """Write constant texts plus fields to standard error, as JSON or for people."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)  # httpx at INFO would log tokens


class SettingsCache:
    """The newest of what the API has published, and the settings of recent versions."""

    def __init__(self) -> None:
        self.version = -1
        self.settings = RuntimeSettings()
        self.price_alerts = PriceAlertsChanged(version=-1, price_alerts=())
        self.mutes = MutesChanged(version=-1, mutes=())
        self.restored: StateRestored | None = None
        self.arrived = asyncio.Event()
        self._versions: dict[int, RuntimeSettings] = {}

    def take(self, event: SettingsEvent) -> bool:
        """Keep *event* if it is newer than what is held; return whether it was."""
        match event:
            case SettingsChanged() if event.version > self.version:
                self.settings, self.version = RuntimeSettings.model_validate(event.value), event.version
                self._remember(self.version, self.settings)
                self.arrived.set()
            case PriceAlertsChanged() if event.version > self.price_alerts.version:
                self.price_alerts = event
            case MutesChanged() if event.version > self.mutes.version:
                self.mutes = event
            case StateRestored() if self.restored is None or event.version > self.restored.version:
                self.restored = event
            case _:
                return False
        return True

    def recall(self, event: SettingsChanged) -> None:
        """Keep *event* as an earlier version; one that this program refuses is as good as forgotten."""
        with contextlib.suppress(ValidationError):
            self._remember(event.version, RuntimeSettings.model_validate(event.value))

    def known(self, version: int) -> int:
        """Return *version*, or the newest where it is not known."""
        return version if version in self._versions else self.version

    def at(self, version: int) -> RuntimeSettings:
        """Return the settings of `known(version)`."""
        return self._versions.get(version, self.settings)

    def _remember(self, version: int, settings: RuntimeSettings) -> None:
        self._versions[version] = settings
        for old in sorted(self._versions)[:-KEPT_VERSIONS]:
            del self._versions[old]


class Service:
    """One running process of a service."""

    def __init__(self, name: str, environment: Environment, bus: Bus) -> None:
        self.name = name
        self.environment = environment
        self.bus = bus
        self.stopping = asyncio.Event()
        self.settings = SettingsCache()
        self.instance = environment.instance or f"{name}-{socket.gethostname()}-{os.getpid()}"
        self._progress = time.monotonic()
        self.waiting_for = "start"

    def beat(self, waiting_for: str = "") -> None:
        """Say that the loop is alive, and what it waits for if it cannot work."""
        self._progress = time.monotonic()
        self.waiting_for = waiting_for

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the process makes progress, and the details."""
        silent = time.monotonic() - self._progress
        healthy = silent < STUCK_AFTER_S
        return healthy, {
            "service": self.name,
            "instance": self.instance,
            "healthy": healthy,
            "seconds_since_progress": round(silent, 1),
            "waiting_for": self.waiting_for,
            "settings_version": self.settings.version,
        }

    async def pause(self, seconds: float) -> None:
        """Sleep, or return at once when the service stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    async def follow_settings(self, changed: Callable[[SettingsEvent], None] | None = None) -> None:
        """Keep `self.settings` newest until the service stops; tell *changed* of each event."""
        after, recalled = "0-0", False
        while not self.stopping.is_set():
            try:
                if not recalled:
                    await self._recall_settings()
                    recalled = True
                # the position is taken before the newest values are read, so that none falls between
                after = await self.bus.last_id(Stream.SETTINGS)
                for event in await self.bus.newest_settings():
                    self._take(event, changed)
                after = await self._tail_settings(after, changed)
            except (RedisError, OSError) as error:
                log.warning("settings cannot be read", error=str(error))
                await self.pause(1.0)

    async def _recall_settings(self) -> None:
        """Learn the earlier versions, before the newest: a scan that is under way may name one of them."""
        for _, _, event in await self.bus.tail({Stream.SETTINGS: "0-0"}, count=1_024, block_ms=1):
            if isinstance(event, SettingsChanged):
                self.settings.recall(event)

    async def _tail_settings(self, after: str, changed: Callable[[SettingsEvent], None] | None) -> str:
        """Follow the stream; return now and then, so that an emptied bus is noticed."""
        for _ in range(5):
            if self.stopping.is_set():
                break
            for _, entry_id, event in await self.bus.tail({Stream.SETTINGS: after}):
                after = entry_id
                self._take(event, changed)  # type: ignore[arg-type]
        return after

    def _take(self, event: SettingsEvent, changed: Callable[[SettingsEvent], None] | None) -> None:
        try:
            news = self.settings.take(event)
        except ValidationError as error:
            log.error("settings were refused, the old ones stand", version=event.version, mistakes=explain(error))
            return
        if news and changed is not None:
            changed(event)

    async def settings_arrived(self) -> bool:
        """Wait for the first settings; return False when the service stops before."""
        while not self.settings.arrived.is_set() and not self.stopping.is_set():
            self.beat("settings from the API")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.settings.arrived.wait()
        return not self.stopping.is_set()

    async def lease_held(self) -> Lease | None:
        """Wait until this process is the active one; None when the service stops before."""
        lease = Lease(self.name, f"{self.instance}-{secrets.token_hex(4)}")
        while not self.stopping.is_set():
            with contextlib.suppress(RedisError, OSError):
                if await self.bus.acquire(lease, ttl_ms=LEASE_MS):
                    metrics.HOLDS_LEASE.labels(self.name).set(1)
                    log.info("active", lease=self.name)
                    return lease
            self.beat("the lease: another instance is active")
            await self.pause(LEASE_MS / 4_000)
        return None

    async def keep_lease(self, lease: Lease) -> None:
        """Renew *lease* until it is lost or the service stops; then return."""
        valid_until = time.monotonic() + LEASE_MS / 1_000
        while not self.stopping.is_set():
            await self.pause(LEASE_MS / 3_000)
            asked = time.monotonic()
            try:
                async with asyncio.timeout(LEASE_MS / 3_000):  # the bus' own retries may outlast the lease
                    if not await self.bus.renew(lease, ttl_ms=LEASE_MS):
                        break
                valid_until = asked + LEASE_MS / 1_000
            except (RedisError, OSError):
                if time.monotonic() > valid_until:
                    break
        metrics.HOLDS_LEASE.labels(self.name).set(0)
        log.info("standing by", lease=self.name)


async def lead(service: Service, work: Callable[[Lease], Awaitable[None]]) -> None:
    """Run *work* whenever this process holds the service's lease; cancel it when the lease is lost."""
    while (lease := await service.lease_held()) is not None:
        working = asyncio.ensure_future(work(lease))
        keeping = asyncio.ensure_future(service.keep_lease(lease))
        try:
            await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, keeping):
                task.cancel()
            results = await asyncio.gather(working, keeping, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await service.bus.release(lease)
        if isinstance(results[0], Exception) and not isinstance(results[0], LeaseLost):
            log.error("the active instance failed", error=repr(results[0]), exc_info=results[0])
            await service.pause(1.0)


Handler = Callable[[Sequence[Delivery]], Awaitable[Sequence[Commit | Exception]]]


async def consume(service: Service, group: str, streams: Sequence[Stream], handle: Handler, *, count: int = 16) -> None:
    """Read, handle, commit, until the service stops; nothing is acknowledged that was not committed.

    *handle* answers each delivery with its commit, or with the exception that it raised.
    """
    deliveries = await _begin(service, group, streams)
    next_claim = 0.0
    while not service.stopping.is_set():
        try:
            if deliveries:
                await _commit(service, deliveries, await handle(deliveries), group)
            service.beat()
            deliveries = await service.bus.read(group, service.instance, streams, count=count)
            if time.monotonic() > next_claim:  # busy or not: a dead colleague's messages must not wait for a lull
                deliveries += await _claim(service, group, streams, count)
                next_claim = time.monotonic() + CLAIM_AFTER_MS / 5_000
        except (RedisError, OSError) as error:
            log.warning("the bus does not answer", error=str(error))
            deliveries = []
            await service.pause(1.0)


async def _begin(service: Service, group: str, streams: Sequence[Stream]) -> list[Delivery]:
    while not service.stopping.is_set():
        try:
            return await service.bus.pending(group, service.instance, streams)
        except (RedisError, OSError) as error:
            log.warning("the bus does not answer", error=str(error))
            await service.pause(1.0)
    return []


async def _claim(service: Service, group: str, streams: Sequence[Stream], count: int) -> list[Delivery]:
    claimed: list[Delivery] = []
    for stream in streams:
        claimed += await service.bus.claim(group, service.instance, stream, min_idle_ms=CLAIM_AFTER_MS, count=count)
        backlog = await service.bus.backlog(stream, group)
        metrics.LAG.labels(stream, group).set(backlog.undelivered)
        metrics.OLDEST_PENDING.labels(stream, group).set(backlog.oldest_pending_ms / 1_000)
    return claimed


async def _commit(
    service: Service, deliveries: Sequence[Delivery], answers: Sequence[Commit | Exception], group: str
) -> None:
    commits = [answer for answer in answers if isinstance(answer, Commit)]
    for delivery, answer in zip(deliveries, answers, strict=True):
        if isinstance(answer, Exception):
            log.error(
                "a message could not be handled", stream=delivery.token.stream, error=repr(answer), exc_info=answer
            )
            await service.bus.fail(delivery, repr(answer))
    results = await service.bus.commit_all(commits)
    now = time.time()
    for delivery in deliveries:
        metrics.LATENCY.labels(delivery.token.stream, group).observe(max(0.0, now - delivery.sent_at / 1_000))
    if CommitResult.STALE in results:
        log.warning("commits were refused: another instance is active", count=results.count(CommitResult.STALE))


def run(name: str, main: Callable[[Service], Awaitable[None]]) -> None:
    """Run a service's *main* as this process, until it ends or a signal asks it to."""
    environment = Environment()
    configure_logging(environment.log_level, environment.log_format)
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
    try:
        if not service.stopping.is_set():
            log.info("started", instance=service.instance)
            await main(service)
    finally:
        stopped.cancel()
        await runner.cleanup()
        await bus.close()
        log.info("stopped")


def _stop_on_signals(service: Service) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stopping.set)


async def serve_health(service: Service) -> web.AppRunner:
    """Serve /health and /metrics; return the runner to clean up."""

    async def health(_: web.Request) -> web.Response:
        healthy, details = service.health()
        return web.json_response(details, status=200 if healthy else 503)

    async def exposition(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/metrics", exposition)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, service.environment.metrics_host, service.environment.metrics_port)
    await site.start()
    return runner
