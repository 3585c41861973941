"""The state of every delivery in Redis, which outlives every process.

An attempt is recorded before it is sent and closed with its report in one transaction.  One found open
belongs to a process that died in between; whether the other side got it is unknown.  A report that a failover
of the bus took back is published again by the process that made it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.asyncio.client import Pipeline

from services.notifier.delivery.queues import job_id
from services.notifier.delivery.recent_reports import RecentReport, RecentReports
from services.notifier.delivery.suspension import Suspension
from shared.bus import RedisBus
from shared.contracts import Alert, DeliveryReport, DeliveryStatus, Message, Stream
from shared.mutes import Subject
from shared.sending.results import Reason

KEPT_SECONDS: Final = 7 * 86_400
_BEGIN_LUA: Final = """
-- KEYS: the delivery.  ARGV: attempt, now, token, seconds to keep it.
local held = redis.call('HMGET', KEYS[1], 'attempt', 'by')
if held[2] ~= ARGV[3] and tonumber(held[1] or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'attempt', ARGV[1], 'open', 1, 'began', ARGV[2], 'by', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
FINAL: Final = frozenset({"sent", "unknown", "rejected", "expired", "suppressed"})


@dataclass(frozen=True)
class DeliveryState:
    """The state of one alert's delivery to one destination."""

    attempt: int = 0  #: the last attempt's number
    open: bool = False  #: it was begun and has no outcome
    began: int = 0  #: wall clock, ms
    status: str = ""  #: of the last closed attempt
    reference: str = ""  #: the other side's message id
    taken: tuple[str, ...] = ()  #: recipients that have it while others are tried again

    @property
    def final(self) -> bool:
        return not self.open and self.status in FINAL


class HeldAlert(msgspec.Struct, frozen=True):
    """An alert that was held back at a destination, for its digest."""

    line: str
    at: int  #: when it was made, wall clock, ms
    subject: Subject  #: for checking whether it is still held back


class DeliveryLog:
    """The deliveries of one market, by alert and destination."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus = bus
        self._begin = bus.redis.register_script(_BEGIN_LUA)
        self._recent = RecentReports()
        self._server = ""  #: the bus's, when it last had them all

    async def state_of(self, alert_id: str, destination: str) -> DeliveryState:
        """Return the state of this delivery."""
        return _state_from(await self._bus.redis.hgetall(self._key(alert_id, destination)))

    async def load(self, alert_id: str, destination: str) -> tuple[DeliveryState, Suspension | None]:
        """Return the delivery's state, and whether its destination is suspended.

        A report of this process that the state lacks is put back before.
        """
        state, suspension = await self._load(alert_id, destination)
        recent = self._recent.of(alert_id, destination)
        if recent is None or not await self._again(recent, state):
            return state, suspension
        return await self._load(alert_id, destination)

    async def _load(self, alert_id: str, destination: str) -> tuple[DeliveryState, Suspension | None]:
        async with self._bus.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(self._key(alert_id, destination))
            pipe.hget(self._bus.key("suspended"), destination)
            fields, suspended = await pipe.execute()
        return _state_from(fields), msgspec.json.decode(suspended, type=Suspension) if suspended else None

    async def begin(self, alert_id: str, destination: str, attempt: int) -> bool:
        """Record *attempt* before anything is sent; False when another has begun it: then nothing may be sent.

        A command that the client repeats because its answer was lost carries the same token.
        """
        token = secrets.token_hex(8)
        arguments = [attempt, now_ms(), token, KEPT_SECONDS]
        return bool(await self._begin(keys=[self._key(alert_id, destination)], args=arguments))

    async def close(self, report: DeliveryReport, *alerts: Alert, taken: Sequence[str] = ()) -> None:
        """Record the attempt's outcome, publish its report and *alerts* about it, all at once.

        *taken* are the recipients that have the message although others are tried again.
        """
        key = self._key(report.alert_id, report.destination)
        fields: dict[Any, Any] = {
            "attempt": report.attempt,
            "open": 0,
            "status": report.status,
            "reference": report.reference,
        }
        if taken:
            fields["taken"] = msgspec.json.encode(taken).decode()

        def record(pipe: Pipeline) -> None:
            pipe.hset(key, mapping=fields)
            pipe.expire(key, KEPT_SECONDS)

        outputs: list[tuple[Stream, Message]] = [
            (Stream.DELIVERIES, report),
            *((Stream.ALERTS, alert) for alert in alerts),
        ]
        await self._bus.publish_with(record, outputs)
        self._recent.keep(report, alerts, tuple(taken))

    async def put_back(self) -> int:
        """Publish again the reports of this process that a failover of the bus took back; return how many.

        They are looked for where the bus's server is another one than before, or has started again.
        """
        server, count = await self._bus.server_id(), 0
        if server == self._server:
            return 0
        for recent in self._recent.all():
            state = await self.state_of(recent.report.alert_id, recent.report.destination)
            count += await self._again(recent, state)
        self._server = server
        return count

    async def _again(self, recent: RecentReport, state: DeliveryState) -> bool:
        """Publish *recent* again if *state*, which the bus holds, lacks it; return whether it did."""
        if not recent.is_missing(state.attempt, is_open=state.open):
            return False
        await self.close(recent.report, *recent.alerts, taken=recent.taken)
        return True

    async def forget(self, alert_id: str, destination: str) -> None:
        """Delete the outcome, so that the alert can be sent again; attempts keep their numbers."""
        await self._bus.redis.hset(self._key(alert_id, destination), mapping={"open": 0, "status": "", "reference": ""})

    async def suspend(self, destination: str, suspension: Suspension) -> None:
        await self._bus.redis.hset(self._bus.key("suspended"), destination, msgspec.json.encode(suspension))

    async def resume(self, destination: str) -> None:
        await self._bus.redis.hdel(self._bus.key("suspended"), destination)

    async def suspended(self) -> dict[str, Suspension]:
        """Return the suspended destinations."""
        held = await self._bus.redis.hgetall(self._bus.key("suspended"))
        return {name.decode(): msgspec.json.decode(data, type=Suspension) for name, data in held.items()}

    async def migrated(self, chat_id: str) -> str:
        """Return the chat's new id where its group has become a supergroup."""
        new = await self._bus.redis.hget(self._bus.key("migrated-chats"), chat_id)
        return new.decode() if new else chat_id

    async def migrate(self, chat_id: str, new: str) -> None:
        await self._bus.redis.hset(self._bus.key("migrated-chats"), chat_id, new)

    async def hold(self, destination: str, alert_id: str, entry: HeldAlert) -> None:
        """Keep a held alert for the digest."""
        key = self._bus.key(f"held:{destination}")
        await self._bus.redis.hset(key, alert_id, msgspec.json.encode(entry))
        await self._bus.redis.expire(key, KEPT_SECONDS)

    async def held(self, destination: str) -> dict[str, HeldAlert]:
        """Return the alerts held back at *destination*: alert id -> its entry."""
        found = await self._bus.redis.hgetall(self._bus.key(f"held:{destination}"))
        return {name.decode(): msgspec.json.decode(data, type=HeldAlert) for name, data in found.items()}

    async def release(self, destination: str, alert_ids: list[str]) -> None:
        await self._bus.redis.hdel(self._bus.key(f"held:{destination}"), *alert_ids)

    def _key(self, alert_id: str, destination: str) -> str:
        return self._bus.key(f"delivery:{job_id(alert_id, destination)}")


def _state_from(stored: dict[bytes, bytes]) -> DeliveryState:
    fields = {key.decode(): value.decode() for key, value in stored.items()}
    return DeliveryState(
        attempt=int(fields.get("attempt", 0)),
        open=fields.get("open") == "1",
        began=int(fields.get("began", 0)),
        status=fields.get("status", ""),
        reference=fields.get("reference", ""),
        taken=msgspec.json.decode(fields.get("taken", "[]"), type=tuple[str, ...]),
    )


def report_of(
    alert: Alert,
    destination: str,
    channel: str,
    attempt: int,
    status: DeliveryStatus,
    *,
    reason: Reason = "",
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
