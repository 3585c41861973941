"""The digest: what mutes and quiet hours held back is told in one message when they end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from services.notifier.ledger import Ledger, now_ms
from services.notifier.text import many
from shared.bus import RedisBus
from shared.contracts import Alert, Stream, SystemBody
from shared.service import Service

EVERY_S: Final = 10.0
LONGEST: Final = 30  #: lines

log = structlog.get_logger()


def digest_of(destination: str, held: Mapping[str, Mapping[str, Any]], now: int) -> Alert | None:
    """Return the digest of what is *held* at *destination* when nothing of it has to wait any more."""
    if not held or any(entry["until"] > now for entry in held.values()):
        return None
    entries = sorted(held.values(), key=lambda entry: int(entry["at"]))
    lines = [str(entry["line"]) for entry in entries[:LONGEST]]
    if len(entries) > LONGEST:
        lines.append(f"… and {len(entries) - LONGEST} more")
    headline = f"While it was quiet: {many(len(entries), 'alert')}"
    return Alert(
        alert_id=f"system:digest:{destination}:{entries[0]['at']}:{entries[-1]['at']}:{len(entries)}",
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
        for name, destination in service.settings.settings.destinations.items():
            if not destination.muted:
                await _tell(ledger, bus, name)
        await service.pause(EVERY_S)


async def _tell(ledger: Ledger, bus: RedisBus, destination: str) -> None:
    try:
        held = await ledger.held(destination)
        digest = digest_of(destination, held, now_ms())
        if digest is not None:
            # told first: a crash in between repeats the same id, which is sent once
            await bus.publish(Stream.ALERTS, [digest])
            await ledger.release(destination, list(held))
    except (RedisError, OSError) as error:
        log.warning("the digest has to wait", destination=destination, error=str(error))
