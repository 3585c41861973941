"""What each running process says of itself: kept in one hash, by instance, and forgotten when it falls silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.bus.replies import now_ms

SILENT_MS: Final = 30_000  #: a report that was not renewed for so long has expired


class ServiceReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a process says of itself."""

    service: str
    instance: str
    at: int  #: wall clock, UNIX ms
    waiting_for: str = ""  #: what it cannot work without
    remarks: tuple[str, ...] = ()  #: remarks for users, one sentence each


class ServiceReports:
    """The reports on the bus."""

    def __init__(self, redis: Any, key: Callable[[str], str]) -> None:
        self._redis, self._key = redis, key("service-reports")

    async def put(self, report: ServiceReport) -> None:
        """Replace what this instance has said."""
        await self._redis.hset(self._key, report.instance, msgspec.msgpack.encode(report))

    async def take_back(self, instance: str) -> None:
        """Forget *instance*: it ends."""
        await self._redis.hdel(self._key, instance)

    async def all(self) -> list[ServiceReport]:
        """Return what the living say, by instance; forget the others."""
        found, silent = [], []
        for instance, data in (await self._redis.hgetall(self._key)).items():
            try:
                report = msgspec.msgpack.decode(data, type=ServiceReport)
            except msgspec.DecodeError:  # of another version
                silent.append(instance)
                continue
            if now_ms() - report.at > SILENT_MS:
                silent.append(instance)
            else:
                found.append(report)
        if silent:
            await self._redis.hdel(self._key, *silent)
        return sorted(found, key=lambda report: report.instance)
