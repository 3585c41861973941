"""A whole leased service at a real bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.bus import Lease, RedisBus
from shared.config.environment import Environment
from shared.runtime.service import Service
from shared.runtime.stage.loop import run_leased
from tests.chaos.faults import Faults, FaultyBus


@asynccontextmanager
async def running(
    url: str, service: str, work: Callable[[Service, Lease], Awaitable[None]], instance: str, *, speed: float = 0
) -> AsyncIterator[Service]:
    """Run *work* under the lease of *service*; leaving the block kills it without a farewell."""
    bus = RedisBus(url)
    faulty = FaultyBus(instance, bus, Faults(0, 0.0), 0.0)
    made = Service(service, Environment(clock_speed=speed, instance=instance), faulty)
    task = asyncio.ensure_future(run_leased(made, lambda lease: work(made, lease)))
    try:
        yield made
    finally:
        faulty.dead = True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bus.close()
