"""Active and standby: a process works only while it holds its service's lease."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from redis.exceptions import RedisError

from shared import metrics
from shared.bus import Lease, LeaseLost
from shared.runtime.service import Service

LEASE_MS: Final = 9_000  #: a dead holder is replaced within this and one renewal
STANDBY: Final = "the lease"  #: what a standby waits for

log = structlog.get_logger()


async def lead(service: Service, work: Callable[[Lease], Awaitable[None]]) -> None:
    """Run *work* whenever this process holds the service's lease; cancel it when the lease is lost."""
    while (lease := await wait_for_lease(service)) is not None:
        working = asyncio.ensure_future(work(lease))
        keeping = asyncio.ensure_future(keep_lease(service, lease))
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


async def wait_for_lease(service: Service) -> Lease | None:
    """Wait until this process is the active one; None when the service stops before."""
    lease = Lease(service.name, f"{service.instance}-{secrets.token_hex(4)}")
    while not service.stopping.is_set():
        with contextlib.suppress(RedisError, OSError):
            if await service.bus.acquire(lease, ttl_ms=LEASE_MS):
                metrics.HOLDS_LEASE.labels(service.name).set(1)
                log.info("active", lease=service.name)
                return lease
        service.beat(f"{STANDBY}: another instance is active")
        await service.pause(LEASE_MS / 4_000)
    return None


async def keep_lease(service: Service, lease: Lease) -> None:
    """Renew *lease* until it is lost or the service stops; then return."""
    valid_until = time.monotonic() + LEASE_MS / 1_000
    while not service.stopping.is_set():
        await service.pause(LEASE_MS / 3_000)
        asked = time.monotonic()
        try:
            async with asyncio.timeout(LEASE_MS / 3_000):  # the bus' own retries may outlast the lease
                if not await service.bus.renew(lease, ttl_ms=LEASE_MS):
                    break
            valid_until = asked + LEASE_MS / 1_000
        except (RedisError, OSError):
            if time.monotonic() > valid_until:
                break
    metrics.HOLDS_LEASE.labels(service.name).set(0)
    log.info("standing by", lease=service.name)
