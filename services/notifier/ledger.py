"""What was tried, told and refused: marks in Redis that outlive every process.

An attempt is marked before it is sent and closed with its report in one transaction.  A mark found
open belongs to a process that died in between: whether the other side got it, nobody can know.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Final

import msgspec

from services.notifier.parking import Parking
from services.notifier.queues import job_id
from shared import metrics
from shared.bus import RedisBus, to_wire
from shared.contracts import Alert, DeliveryReport, DeliveryStatus, Stream
from shared.silence import Subject

MARK_SECONDS: Final = 7 * 86_400
_BEGIN_LUA: Final = """
-- KEYS: mark.  ARGV: attempt, now, token, seconds to keep it.
local held = redis.call('HMGET', KEYS[1], 'attempt', 'by')
if held[2] ~= ARGV[3] and tonumber(held[1] or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'attempt', ARGV[1], 'open', 1, 'began', ARGV[2], 'by', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
FINAL: Final = frozenset({"sent", "unknown", "rejected", "expired", "suppressed"})


@dataclass(frozen=True)
class Mark:
    """What is known of one alert's way to one destination."""

    attempt: int = 0  #: the last attempt's number
    open: bool = False  #: it was begun and has no outcome
    began: int = 0  #: wall clock, ms
    status: str = ""  #: of the last closed attempt
    reference: str = ""  #: the other side's message id

    @property
    def final(self) -> bool:
        return not self.open and self.status in FINAL


class Held(msgspec.Struct, frozen=True):
    """An alert that was held back at a destination, for its digest."""

    line: str
    at: int  #: when it was made, wall clock, ms
    subject: Subject  #: tells whether it is still to be held


class Ledger:
    """The marks of one market."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus = bus
        self._begin = bus.redis.register_script(_BEGIN_LUA)

    async def mark(self, alert_id: str, destination: str) -> Mark:
        """Return what is known of this delivery."""
        return _mark_of(await self._bus.redis.hgetall(self._key(alert_id, destination)))

    async def state(self, alert_id: str, destination: str) -> tuple[bytes | None, Mark, Parking | None]:
        """Return all that an attempt begins with: the newest settings, the mark, and whether it is parked."""
        async with self._bus.redis.pipeline(transaction=False) as pipe:
            pipe.hget(self._bus.key("settings-newest"), "SettingsChanged")
            pipe.hgetall(self._key(alert_id, destination))
            pipe.hget(self._bus.key("parked"), destination)
            settings, held, parked = await pipe.execute()
        return settings, _mark_of(held), msgspec.json.decode(parked, type=Parking) if parked else None

    async def begin(self, alert_id: str, destination: str, attempt: int) -> bool:
        """Mark *attempt* before anything is sent; False when another has begun it: then nothing may be sent.

        A command that the client repeats because its answer was lost carries the same token.
        """
        token = secrets.token_hex(8)
        arguments = [attempt, now_ms(), token, MARK_SECONDS]
        return bool(await self._begin(keys=[self._key(alert_id, destination)], args=arguments))

    async def close(self, report: DeliveryReport, *alerts: Alert) -> None:
        """Record the attempt's outcome, publish its report and what else has to be told, all at once."""
        key = self._key(report.alert_id, report.destination)
        mark = {"attempt": report.attempt, "open": 0, "status": report.status, "reference": report.reference}
        async with self._bus.redis.pipeline(transaction=True) as pipe:
            pipe.hset(key, mapping=mark)
            pipe.expire(key, MARK_SECONDS)
            pipe.xadd(self._bus.key(Stream.DELIVERIES), {"d": to_wire(report)})
            for alert in alerts:
                pipe.xadd(self._bus.key(Stream.ALERTS), {"d": to_wire(alert)})
            await pipe.execute()
        metrics.SENT.labels(Stream.DELIVERIES).inc()

    async def forget(self, alert_id: str, destination: str) -> None:
        """Take the outcome off the mark, so that the alert can be sent again; attempts count on."""
        await self._bus.redis.hset(self._key(alert_id, destination), mapping={"open": 0, "status": "", "reference": ""})

    async def park(self, destination: str, parking: Parking) -> None:
        await self._bus.redis.hset(self._bus.key("parked"), destination, msgspec.json.encode(parking))

    async def unpark(self, destination: str) -> None:
        await self._bus.redis.hdel(self._bus.key("parked"), destination)

    async def parked(self) -> dict[str, Parking]:
        """Return the destinations that are left alone."""
        held = await self._bus.redis.hgetall(self._bus.key("parked"))
        return {name.decode(): msgspec.json.decode(data, type=Parking) for name, data in held.items()}

    async def migrated(self, chat_id: str) -> str:
        """Return the chat's new id where its group has become a supergroup."""
        new = await self._bus.redis.hget(self._bus.key("migrated-chats"), chat_id)
        return new.decode() if new else chat_id

    async def migrate(self, chat_id: str, new: str) -> None:
        await self._bus.redis.hset(self._bus.key("migrated-chats"), chat_id, new)

    async def hold(self, destination: str, alert_id: str, entry: Held) -> None:
        """Keep a held alert for the digest."""
        key = self._bus.key(f"held:{destination}")
        await self._bus.redis.hset(key, alert_id, msgspec.json.encode(entry))
        await self._bus.redis.expire(key, MARK_SECONDS)

    async def held(self, destination: str) -> dict[str, Held]:
        """Return what was held back at *destination*: alert id -> its entry."""
        found = await self._bus.redis.hgetall(self._bus.key(f"held:{destination}"))
        return {name.decode(): msgspec.json.decode(data, type=Held) for name, data in found.items()}

    async def release(self, destination: str, alert_ids: list[str]) -> None:
        await self._bus.redis.hdel(self._bus.key(f"held:{destination}"), *alert_ids)

    def _key(self, alert_id: str, destination: str) -> str:
        return self._bus.key(f"delivery:{job_id(alert_id, destination)}")


def _mark_of(held: dict[bytes, bytes]) -> Mark:
    fields = {key.decode(): value.decode() for key, value in held.items()}
    return Mark(
        attempt=int(fields.get("attempt", 0)),
        open=fields.get("open") == "1",
        began=int(fields.get("began", 0)),
        status=fields.get("status", ""),
        reference=fields.get("reference", ""),
    )


def report_of(
    alert: Alert,
    destination: str,
    channel: str,
    attempt: int,
    status: DeliveryStatus,
    *,
    reason: str = "",
    detail: str = "",
    reference: str = "",
    seconds: float = 0.0,
) -> DeliveryReport:
    """Return the report of one attempt, with its deterministic id."""
    return DeliveryReport(
        report_id=f"{alert.alert_id}:{destination}:{attempt}:{status}",
        alert_id=alert.alert_id,
        destination=destination,
        channel=channel,
        attempt=attempt,
        status=status,
        at=now_ms(),
        reason=reason,
        detail=detail[:500],
        reference=reference,
        seconds=seconds,
    )


def now_ms() -> int:
    """Return the wall clock, ms."""
    return time.time_ns() // 1_000_000
