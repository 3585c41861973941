"""Reading for groups: new messages, a consumer's own pending ones, and those to claim from dead consumers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from shared import metrics
from shared.bus import replies
from shared.bus.contract import MAX_RESTARTS, MAX_TRIES, SUSPECT_TRIES, Delivery, Token
from shared.bus.dead import DeadLetters
from shared.bus.replies import text
from shared.bus.wire import UNREADABLE, from_wire, to_wire
from shared.contracts import Stream


class GroupReader:
    """Delivers each message of a group to one consumer, and again to the one that takes over from it.

    A group's read is never repeated silently: the messages of a lost answer are fetched again, see `_lost`.
    """

    def __init__(self, redis: Any, unrepeated: Any, key: Callable[[str], str], dead: DeadLetters) -> None:
        """Read over *unrepeated*, a client that never sends a command twice, and do the rest over *redis*."""
        self._redis, self._unrepeated, self._key, self._dead = redis, unrepeated, key, dead
        self._groups: set[tuple[Stream, str]] = set()
        self._seen: dict[tuple[Stream, str, str], str] = {}  #: newest id each consumer got
        self._doubtful: set[tuple[str, str]] = set()  #: (group, consumer) whose last read had no answer

    async def ensure_group(self, stream: Stream, group: str) -> None:
        """Create *group* at the stream's beginning unless it exists."""
        try:
            await self._redis.xgroup_create(self._key(stream), group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._groups.add((stream, group))

    async def read(
        self, group: str, consumer: str, streams: Sequence[Stream], *, count: int, block_ms: int
    ) -> list[Delivery]:
        """Return new messages of *streams*, at most *count* of each, waiting at most *block_ms*."""
        if (group, consumer) in self._doubtful and (lost := await self._lost(group, consumer, streams)):
            return lost
        pages = await self._pages(group, consumer, dict.fromkeys(streams, ">"), count, block_ms)
        return await self._deliveries(group, consumer, pages)

    async def _lost(self, group: str, consumer: str, streams: Sequence[Stream]) -> list[Delivery]:
        """Return the messages that the server delivered and a broken connection lost."""
        after = {stream: self._seen.get((stream, group, consumer), "0") for stream in streams}
        pages = await self._pages(group, consumer, after, 256, None)
        if not any(entries for _, entries in pages):
            self._doubtful.discard((group, consumer))
        return await self._deliveries(group, consumer, pages)

    async def pending(self, group: str, consumer: str, streams: Sequence[Stream]) -> list[Delivery]:
        """Return this consumer's uncommitted messages, oldest first; those tried too often become dead letters."""
        found: list[Delivery] = []
        for stream in streams:
            tries = await self._tries(group, consumer, stream)
            after = "0"
            while entries := [
                entry for _, page in await self._pages(group, consumer, {stream: after}, 256, None) for entry in page
            ]:
                after = text(entries[-1][0])
                for delivery in await self._deliveries(group, consumer, [(self._key(stream), entries)]):
                    times = tries.get(delivery.token.entry_id, 0) + 1
                    if times > MAX_RESTARTS:
                        await self._dead.put_aside(
                            delivery.token, to_wire(delivery.message), "its consumer kept dying", times - 1
                        )
                    else:
                        found.append(Delivery(delivery.token, delivery.message, times))
        return found

    async def _tries(self, group: str, consumer: str, stream: Stream) -> dict[str, int]:
        """Return how often each entry that *consumer* holds was delivered."""
        try:
            rows = await self._redis.xpending_range(self._key(stream), group, "-", "+", 20_000, consumer)
        except ResponseError:  # no such group yet
            return {}
        return {text(row["message_id"]): int(row["times_delivered"]) for row in rows}

    async def _pages(
        self, group: str, consumer: str, after: Mapping[Stream, str], count: int, block_ms: int | None
    ) -> list[tuple[str, list[Any]]]:
        """Return XREADGROUP's answer; remember where there was none."""
        names: dict[Any, Any] = {self._key(stream): start for stream, start in after.items()}
        for stream in after:
            if (stream, group) not in self._groups:
                await self.ensure_group(stream, group)
        try:
            answer = await self._unrepeated.xreadgroup(group, consumer, names, count=count, block=block_ms or None)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._regroup(after, group)
            return []
        except BaseException:
            self._doubtful.add((group, consumer))
            raise
        return replies.pages(answer)

    async def _regroup(self, streams: Iterable[Stream], group: str) -> None:
        """Create the groups again after the bus lost them."""
        metrics.GROUPS_RECREATED.labels(group).inc()
        for stream in streams:
            await self.ensure_group(stream, group)
            for seen in [seen for seen in self._seen if seen[:2] == (stream, group)]:
                del self._seen[seen]  # an emptied server may count its ids anew

    async def _deliveries(self, group: str, consumer: str, pages: Iterable[tuple[str, list[Any]]]) -> list[Delivery]:
        deliveries: list[Delivery] = []
        for key, entries in pages:
            stream = Stream(key.rsplit(":", 1)[1])
            for entry_id, fields in entries:
                token = Token(stream, group, text(entry_id))
                self._seen[stream, group, consumer] = token.entry_id
                if (delivery := await self._open(token, fields)) is not None:
                    deliveries.append(delivery)
        return deliveries

    async def _open(self, token: Token, fields: Mapping[bytes, bytes] | None, tries: int = 1) -> Delivery | None:
        if not fields:  # trimmed while it was pending
            metrics.DROPPED.labels(token.stream, "trimmed").inc()
            await self._redis.xack(self._key(token.stream), token.group, token.entry_id)
            return None
        data = fields.get(b"d", b"")
        try:
            message = from_wire(data)
        except UNREADABLE as error:
            await self._dead.put_aside(token, data, f"unreadable: {error}", tries)
            return None
        metrics.RECEIVED.labels(token.stream, token.group).inc()
        return Delivery(token, message, tries)

    async def claim(self, group: str, consumer: str, stream: Stream, *, min_idle_ms: int, count: int) -> list[Delivery]:
        """Take over messages that others left for *min_idle_ms*; those tried too often become dead letters."""
        key = self._key(stream)
        try:
            idle = await self._redis.xpending_range(key, group, "-", "+", count, idle=min_idle_ms)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._regroup([stream], group)
            return []
        if not idle:
            return []
        tries = _together({text(row["message_id"]): int(row["times_delivered"]) for row in idle})
        entries = await self._redis.xclaim(key, group, consumer, min_idle_ms, list(tries))
        found = {text(entry_id): fields for entry_id, fields in entries if fields}
        claimed: list[Delivery] = []
        for entry_id, times in tries.items():
            delivery = await self._claimed(Token(stream, group, entry_id), found.get(entry_id), times + 1)
            if delivery is not None:
                claimed.append(delivery)
        return claimed

    async def _claimed(self, token: Token, fields: Mapping[bytes, bytes] | None, tries: int) -> Delivery | None:
        if fields is None:
            await self._gone(token)
            return None
        if tries > MAX_TRIES:
            await self._dead.put_aside(token, fields.get(b"d", b""), "gave up without an error", tries - 1)
            return None
        metrics.CLAIMED.labels(token.stream, token.group).inc()
        return await self._open(token, fields, tries)

    async def _gone(self, token: Token) -> None:
        """Acknowledge an entry that was trimmed; one that another consumer claimed first still exists."""
        if not await self._redis.xrange(self._key(token.stream), token.entry_id, token.entry_id):
            await self._open(token, None)


def _together(tries: dict[str, int]) -> dict[str, int]:
    """Return the messages to claim together: all that are not suspect, else a single suspect."""
    innocent = {entry_id: times for entry_id, times in tries.items() if times < SUSPECT_TRIES}
    return innocent or dict(list(tries.items())[:1])
