"""A whole gatekeeper at a real bus, and what a test asks of it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from services.gatekeeper.runtime.loop import NAME, Gatekeeper
from shared.bus import RedisBus
from shared.contracts import (
    Message,
    MutesChanged,
    PriceAlert,
    PriceAlertsChanged,
    ScanSettled,
    SettingsChanged,
    StateRestored,
    Stream,
)
from shared.runtime.service import Service
from shared.settings import RuntimeSettings
from tests.component.leased import running
from tests.patience import PATIENCE_S, until


async def begin(bus: RedisBus, settings: RuntimeSettings | None = None, *asked: PriceAlert, version: int = 1) -> None:
    """Publish what the API publishes on an empty bus."""
    await bus.publish_settings(StateRestored(version=version))
    await bus.publish_settings(MutesChanged(version=version, mutes=()))
    await bus.publish_settings(PriceAlertsChanged(version=version, price_alerts=asked))
    value = (settings or RuntimeSettings()).dump()
    await bus.publish_settings(SettingsChanged(version=version, value=value, at=0))


def gatekeeper(url: str, name: str = "one", *, speed: float = 0) -> AbstractAsyncContextManager[Service]:
    """Run a whole gatekeeper under its lease; leaving the block kills it without a farewell."""
    return running(url, NAME, lambda service, lease: Gatekeeper(service, lease).work(), name, speed=speed)


def address(bus: RedisBus) -> str:
    """Return the URL of the store behind *bus*."""
    options = bus.redis.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/0"


async def everything(bus: RedisBus, stream: Stream) -> list[Any]:
    """Return all messages of *stream*."""
    return [message for _, _, message in await bus.tail({stream: "0-0"}, count=10_000, block_ms=1)]


async def settled(bus: RedisBus, count: int, seconds: float = PATIENCE_S) -> list[ScanSettled]:
    """Return the settled scans once there are *count*."""

    async def enough() -> list[ScanSettled]:
        scans = [event for event in await everything(bus, Stream.SCANS) if isinstance(event, ScanSettled)]
        return scans if len(scans) >= count else []

    return await until(enough, seconds)  # type: ignore[no-any-return]


async def publish(bus: RedisBus, stream: Stream, *messages: Message) -> None:
    """Add *messages*."""
    await bus.publish(stream, messages)
