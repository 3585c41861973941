"""How far groups are behind on a stream, and trimming of what all of them have read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from shared.bus import scripts
from shared.bus.contract import Backlog
from shared.bus.replies import now_ms, order, text
from shared.contracts import Stream


class Backlogs:
    """The backlog of every group of one market."""

    def __init__(self, redis: Any, key: Callable[[str], str]) -> None:
        self._redis, self._key = redis, key
        self._count = redis.register_script(scripts.COUNT)

    async def of(self, stream: Stream, group: str) -> Backlog:
        """Return how far *group* is behind; the server's own `lag` is not used, it can be wrong after a trim."""
        key = self._key(stream)
        try:
            info = await self._redis.xinfo_stream(key)
            groups = {text(row["name"]): row for row in await self._redis.xinfo_groups(key)}
        except ResponseError:
            return Backlog(0, 0, 0, 0, 0)
        row = groups.get(group)
        if row is None:
            return Backlog(int(info["length"]), int(info["length"]), 0, 0, 0)
        last = text(row["last-delivered-id"])
        undelivered = await self._undelivered(key, info, last)
        oldest = await self._redis.xpending_range(key, group, "-", "+", 1)
        age = now_ms() - int(text(oldest[0]["message_id"]).split("-")[0]) if oldest else 0
        read = row.get("entries-read")
        trimmed = int(info.get("entries-added", 0)) - int(read) - undelivered if read is not None else 0
        return Backlog(int(info["length"]), undelivered, int(row["pending"]), max(0, age), max(0, trimmed))

    async def _undelivered(self, key: str, info: Mapping[str, Any], last: str) -> int:
        """Count what follows *last* without moving the payloads to the client."""
        if order(last) >= order(text(info["last-generated-id"])):
            return 0
        first = info.get("first-entry")
        if first and order(text(first[0])) > order(last):
            return int(info["length"])
        return int(await self._count(keys=[key], args=[last]))

    async def rolled_back(self, stream: Stream, entry_id: str) -> bool:
        """Return whether *stream* goes back to before *entry_id* and lacks it, as after a failover.

        What was trimmed is no such loss, nor is a stream that is gone altogether.
        """
        key = self._key(stream)
        if await self._redis.xrange(key, entry_id, entry_id, count=1):
            return False
        try:
            info = await self._redis.xinfo_stream(key)
        except ResponseError:
            return False
        first = info.get("first-entry")
        return order(text(first[0]) if first else text(info["last-generated-id"])) < order(entry_id)

    async def trim_read(self, stream: Stream, *, readers: Sequence[str] = ()) -> int:
        """Drop what every group has acknowledged; return how many entries went.

        Nothing goes before each of *readers* has its group: one that never started has read nothing.
        """
        key = self._key(stream)
        try:
            groups = await self._redis.xinfo_groups(key)
        except ResponseError:
            return 0
        bounds = [await self._unread_from(key, row) for row in groups]
        if not bounds or not set(readers) <= {text(row["name"]) for row in groups}:
            return 0
        return int(await self._redis.xtrim(key, minid=min(bounds, key=order), approximate=False))

    async def _unread_from(self, key: str, row: Mapping[str, Any]) -> str:
        """Return the id from which on a group still needs the stream."""
        oldest = await self._redis.xpending_range(key, text(row["name"]), "-", "+", 1)
        if oldest:
            return text(oldest[0]["message_id"])
        milliseconds, sequence = order(text(row["last-delivered-id"]))
        return f"{milliseconds}-{sequence + 1}"
