"""The digest: one message to each destination with the alerts that mutes and quiet hours held back there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog
from redis.exceptions import RedisError

from services.notifier.delivery.delivery_log import DeliveryLog, HeldAlert, now_ms
from services.notifier.rendering.text import many
from services.notifier.routing import hold_of
from shared import ids
from shared.bus import RedisBus
from shared.contracts import Alert, Mute, Stream, SystemBody
from shared.runtime.service import Service
from shared.settings import RuntimeSettings

EVERY_S: Final = 10.0
LONGEST: Final = 30  #: lines

log = structlog.get_logger()


def due(
    held: Mapping[str, HeldAlert], destination: str, settings: RuntimeSettings, mutes: Sequence[Mute], now: int
) -> dict[str, HeldAlert]:
    """Return those of *held* that no mute or quiet hours hold back any more; a lifted mute has ended, too."""
    return {
        alert_id: entry
        for alert_id, entry in held.items()
        if not hold_of(entry.subject, destination, settings, mutes, now)
    }


def digest_of(market: str, destination: str, entries: Collection[HeldAlert], now: int) -> Alert:
    """Return the digest of *entries* for *destination*."""
    ordered = sorted(entries, key=lambda entry: entry.at)
    lines = [entry.line for entry in ordered[:LONGEST]]
    if len(ordered) > LONGEST:
        lines.append(f"… and {len(ordered) - LONGEST} more")
    headline = f"Held back during mutes or quiet hours: {many(len(ordered), 'alert')}"
    return Alert(
        alert_id=ids.system_alert_id(market, f"digest:{destination}:{ordered[0].at}:{ordered[-1].at}:{len(ordered)}"),
        kind="system",
        body=SystemBody(code="digest", headline=headline, lines=tuple(lines)),
        occurred_at=now,
        created_at=now,
        destinations=(destination,),
    )


async def keep_digests(service: Service, bus: RedisBus) -> None:
    """Send each destination's digest when its time has come."""
    delivery_log = DeliveryLog(bus)
    while not service.stopping.is_set():
        cache = service.settings
        for name, destination in cache.settings.destinations.items():
            if not destination.muted:
                await _publish(delivery_log, bus, name, cache.settings, cache.mutes.mutes)
        await service.pause(EVERY_S)


async def _publish(
    delivery_log: DeliveryLog, bus: RedisBus, destination: str, settings: RuntimeSettings, mutes: Sequence[Mute]
) -> None:
    try:
        now = now_ms()
        ready = due(await delivery_log.held(destination), destination, settings, mutes, now)
        if ready:
            # published first: a crash in between repeats the same id, which is sent once
            await bus.publish(Stream.ALERTS, [digest_of(bus.market, destination, ready.values(), now)])
            await delivery_log.release(destination, list(ready))
    except (RedisError, OSError) as error:
        log.warning("the digest is postponed", destination=destination, error=str(error))
