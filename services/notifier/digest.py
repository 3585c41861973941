"""The digest: what mutes and quiet hours held back at a destination is told there in one message when they end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog
from redis.exceptions import RedisError

from services.notifier.ledger import Held, Ledger, now_ms
from services.notifier.routing import hold_of
from services.notifier.text import many
from shared.bus import RedisBus
from shared.contracts import Alert, Mute, Stream, SystemBody
from shared.service import Service
from shared.settings import RuntimeSettings

EVERY_S: Final = 10.0
LONGEST: Final = 30  #: lines

log = structlog.get_logger()


def due(
    held: Mapping[str, Held], destination: str, settings: RuntimeSettings, mutes: Sequence[Mute], now: int
) -> dict[str, Held]:
    """Return what of the *held* nothing holds back any more: a mute that was lifted has ended, too."""
    return {
        alert_id: entry
        for alert_id, entry in held.items()
        if not hold_of(entry.subject, destination, settings, mutes, now)
    }


def digest_of(destination: str, told: Collection[Held], now: int) -> Alert:
    """Return the digest that tells *destination* of what was held back there."""
    entries = sorted(told, key=lambda entry: entry.at)
    lines = [entry.line for entry in entries[:LONGEST]]
    if len(entries) > LONGEST:
        lines.append(f"… and {len(entries) - LONGEST} more")
    headline = f"While it was quiet: {many(len(entries), 'alert')}"
    return Alert(
        alert_id=f"system:digest:{destination}:{entries[0].at}:{entries[-1].at}:{len(entries)}",
        kind="system",
        body=SystemBody(code="digest", headline=headline, lines=tuple(lines)),
        occurred_at=now,
        created_at=now,
        destinations=(destination,),
    )


async def keep_digests(service: Service, bus: RedisBus) -> None:
    """Send each destination's digest when its time has come."""
    ledger = Ledger(bus)
    while not service.stopping.is_set():
        cache = service.settings
        for name, destination in cache.settings.destinations.items():
            if not destination.muted:
                await _tell(ledger, bus, name, cache.settings, cache.mutes.mutes)
        await service.pause(EVERY_S)


async def _tell(
    ledger: Ledger, bus: RedisBus, destination: str, settings: RuntimeSettings, mutes: Sequence[Mute]
) -> None:
    try:
        now = now_ms()
        told = due(await ledger.held(destination), destination, settings, mutes, now)
        if told:
            # told first: a crash in between repeats the same id, which is sent once
            await bus.publish(Stream.ALERTS, [digest_of(destination, told.values(), now)])
            await ledger.release(destination, list(told))
    except (RedisError, OSError) as error:
        log.warning("the digest has to wait", destination=destination, error=str(error))
