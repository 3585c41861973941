"""The bus on Redis 6.2 or later, or Valkey."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared import metrics
from shared.bus import connection, scripts
from shared.bus.backlog import Backlogs
from shared.bus.contract import (
    BLOCK_MS,
    RETENTION,
    Backlog,
    Commit,
    CommitResult,
    DeadLetter,
    Delivery,
    Lease,
    LeaseLost,
    ServiceState,
    SettingsKind,
)
from shared.bus.dead import DeadLetters
from shared.bus.reader import GroupReader
from shared.bus.replies import now_ms, pages, text
from shared.bus.reports import ServiceReports
from shared.bus.wire import UNREADABLE, PackedSnapshot, from_wire, to_wire
from shared.contracts import Message, SettingsEvent, Stream


class RedisBus:
    """The bus on Redis 6.2 or later, or Valkey."""

    def __init__(self, url: str, market: str = "binance-um") -> None:
        self.market = market
        #: of its connections, on the server
        self.name = f"sevengate-{secrets.token_hex(8)}"
        again = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), 5)
        self.redis = connection.client(
            url,
            self.key(""),
            client_name=self.name,
            retry=again,
            retry_on_error=[RedisConnectionError, RedisTimeoutError],
        )
        self._unrepeated = connection.client(url, self.key(""), client_name=self.name, retry=Retry(NoBackoff(), 0))
        self._dead = DeadLetters(self.redis, self.key)
        self._reader = GroupReader(self.redis, self._unrepeated, self.key, self._dead)
        self._backlogs = Backlogs(self.redis, self.key)
        self.reports = ServiceReports(self.redis, self.key)
        self._commit = self.redis.register_script(scripts.COMMIT)
        self._if_owner = self.redis.register_script(scripts.IF_OWNER)
        self._publish = self.redis.register_script(scripts.PUBLISH)
        self._newest: dict[str, tuple[bytes, SettingsEvent]] = {}  #: kind -> its newest wire form, and what that says

    def key(self, name: str) -> str:
        """Return the key of *name*: one hash tag for the whole market."""
        return f"{{{self.market}}}:{name}"

    # reading

    async def ensure_group(self, stream: Stream, group: str) -> None:
        """Create *group* at the stream's beginning unless it exists."""
        await self._reader.ensure_group(stream, group)

    async def read(
        self, group: str, consumer: str, streams: Sequence[Stream], *, count: int = 64, block_ms: int = BLOCK_MS
    ) -> list[Delivery]:
        """Return new messages of *streams*, at most *count* of each, waiting at most *block_ms*."""
        return await self._reader.read(group, consumer, streams, count=count, block_ms=block_ms)

    async def pending(self, group: str, consumer: str, streams: Sequence[Stream]) -> list[Delivery]:
        """Return this consumer's uncommitted messages, oldest first; those tried too often become dead letters."""
        return await self._reader.pending(group, consumer, streams)

    async def claim(
        self, group: str, consumer: str, stream: Stream, *, min_idle_ms: int, count: int = 64
    ) -> list[Delivery]:
        """Take over messages that others left for *min_idle_ms*; those tried too often become dead letters."""
        return await self._reader.claim(group, consumer, stream, min_idle_ms=min_idle_ms, count=count)

    async def tail(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = BLOCK_MS
    ) -> list[tuple[Stream, str, Message]]:
        """Return the messages after the ids in *after*, without a group (for newest-wins readers)."""
        position = dict(after)
        while entries := await self.entries(position, count=count, block_ms=block_ms):
            position |= {stream: entry_id for stream, entry_id, _ in entries}
            read = ((stream, entry_id, _readable(stream, data)) for stream, entry_id, data in entries)
            if found := [(stream, entry_id, message) for stream, entry_id, message in read if message is not None]:
                return found
        return []

    async def entries(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = BLOCK_MS
    ) -> list[tuple[Stream, str, bytes]]:
        """Return what `tail` reads as it came, each entry's bytes."""
        names: dict[Any, Any] = {self.key(stream): start for stream, start in after.items()}
        read = pages(await self.redis.xread(names, count=count, block=block_ms or None))
        return [
            (Stream(key.rsplit(":", 1)[1]), text(entry_id), fields.get(b"d", b""))
            for key, entries in read
            for entry_id, fields in entries
        ]

    async def wake(self) -> None:
        """End the blocking reads of this bus that wait at this moment, as if their time were over.

        Where the server allows its user no CLIENT UNBLOCK, they wait on.
        """
        for client in await self.redis.client_list():
            if client["name"] == self.name and "b" in client["flags"]:
                await self.redis.client_unblock(int(client["id"]))

    async def last_id(self, stream: Stream) -> str:
        """Return the id of the newest entry, ``0-0`` without one."""
        newest = await self.redis.xrevrange(self.key(stream), count=1)
        return text(newest[0][0]) if newest else "0-0"

    async def newest(self, stream: Stream, count: int) -> list[tuple[str, Message]]:
        """Return the newest *count* messages of *stream* with their ids, oldest first; nothing is taken."""
        entries = await self.redis.xrevrange(self.key(stream), count=count)
        found = [(text(entry_id), _readable(stream, fields.get(b"d", b""))) for entry_id, fields in reversed(entries)]
        return [(entry_id, message) for entry_id, message in found if message is not None]

    # writing

    async def publish(
        self, stream: Stream, messages: Sequence[Message | PackedSnapshot], *, lease: Lease | None = None
    ) -> list[str]:
        """Add *messages* as a source does, without a token; return their entry ids.

        Raises `LeaseLost` when *lease* is given and not held; then nothing was written.
        """
        ids = await self._publish(
            keys=[self.key(stream), self.key(f"lease:{lease.name if lease else ''}")],
            args=[
                lease.owner if lease else "",
                *_bound(stream, now_ms()),
                *[_encoded(stream, message) for message in messages],
            ],
        )
        if ids is None:
            raise LeaseLost(lease.name if lease else "")
        metrics.SENT.labels(stream).inc(len(messages))
        return [text(entry_id) for entry_id in ids]

    async def publish_settings(self, event: SettingsEvent) -> str:
        """Add *event* to `settings` and keep it as the newest of its type."""
        data = _encoded(Stream.SETTINGS, event)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(self.key("settings-newest"), type(event).__name__, data)
            pipe.xadd(self.key(Stream.SETTINGS), {"d": data}, maxlen=RETENTION[Stream.SETTINGS].at_most)
            answers = await pipe.execute()
        metrics.SENT.labels(Stream.SETTINGS).inc()
        return text(answers[1])

    async def publish_with(
        self, prepare: Callable[[Pipeline], object], outputs: Sequence[tuple[Stream, Message]]
    ) -> None:
        """Add *outputs* in one transaction with the commands that *prepare* puts into it: all or nothing."""
        async with self.redis.pipeline(transaction=True) as pipe:
            prepare(pipe)
            for stream, message in outputs:
                pipe.xadd(
                    self.key(stream),
                    {"d": _encoded(stream, message)},
                    maxlen=RETENTION[stream].at_most,
                    approximate=True,
                )
            await pipe.execute()
        for stream, _ in outputs:
            metrics.SENT.labels(stream).inc()

    async def newest_settings(self) -> list[SettingsEvent]:
        """Return the newest event of each type on `settings`."""
        held = await self.redis.hgetall(self.key("settings-newest"))
        events = [self._decoded(text(name), data) for name, data in held.items()]
        return [event for event in events if event is not None]

    async def newest_setting(self, kind: type[SettingsKind]) -> SettingsKind | None:
        """Return the newest event of one *kind*, None without one; the same object until a newer one comes."""
        data = await self.redis.hget(self.key("settings-newest"), kind.__name__)
        event = self._decoded(kind.__name__, data) if data is not None else None
        return event if isinstance(event, kind) else None

    def _decoded(self, kind: str, data: bytes) -> SettingsEvent | None:
        """Return *data* decoded; the result is cached while it is the newest of its *kind*."""
        held = self._newest.get(kind)
        if held is not None and held[0] == data:
            return held[1]
        event = _readable(Stream.SETTINGS, data)
        if isinstance(event, SettingsEvent):
            self._newest[kind] = (data, event)
            return event
        return None

    async def commit(self, commit: Commit) -> CommitResult:
        """Write the whole *commit*, or nothing."""
        return (await self.commit_all([commit]))[0]

    async def commit_all(self, commits: Sequence[Commit]) -> list[CommitResult]:
        """Do each of *commits* in turn, each at once or not at all, by one script."""
        if not commits:
            return []
        keys: dict[str, int] = {self.key("errors"): 1}  #: its place
        arguments: list[Any] = []
        now = now_ms()
        for commit in commits:
            own = self._arguments(commit, keys, now)
            arguments += [len(own), *own]
        answers = await self._commit(keys=list(keys), args=arguments)
        results = [CommitResult(text(answer)) for answer in answers]
        for commit, result in zip(commits, results, strict=True):
            _count(commit, result)
        return results

    def _arguments(self, commit: Commit, keys: dict[str, int], now: int) -> list[Any]:
        """Return the script's arguments for *commit*; its keys are added to *keys*."""

        def place(name: str) -> int:
            return keys.setdefault(self.key(name), len(keys) + 1)

        state, lease = commit.state, commit.lease
        arguments: list[Any] = [place(f"state:{state.name if state else ''}"), state.expected_version if state else ""]
        arguments += [place(f"lease:{lease.name if lease else ''}"), lease.owner if lease else ""]
        arguments.append(len(commit.tokens))
        for token in commit.tokens:
            arguments += [place(token.stream), token.group, token.entry_id]
        arguments.append(len(commit.outputs))
        for stream, message in commit.outputs:
            arguments += [place(stream), _encoded(stream, message), *_bound(stream, now)]
        arguments.append(len(commit.trim_before))
        for stream, entry_id in commit.trim_before.items():
            arguments += [place(stream), entry_id]
        if state:
            arguments.append(len(state.fields))
            for name, value in state.fields.items():
                arguments += [name, "0" if value is None else "1", value or b""]
        return arguments

    async def load_state(self, name: str) -> ServiceState:
        """Return the state of the service *name*."""
        held = {text(key): value for key, value in (await self.redis.hgetall(self.key(f"state:{name}"))).items()}
        return ServiceState(int(held.pop("version", b"0")), held)

    async def acquire(self, lease: Lease, *, ttl_ms: int) -> bool:
        """Take *lease* if it is free or its owner's already; return whether it is held."""
        taken = await self.redis.set(self.key(f"lease:{lease.name}"), lease.owner, nx=True, px=ttl_ms)
        return bool(taken) or await self.renew(lease, ttl_ms=ttl_ms)

    async def renew(self, lease: Lease, *, ttl_ms: int) -> bool:
        """Hold *lease* for *ttl_ms* from now; return whether it was still held."""
        return bool(await self._if_owner(keys=[self.key(f"lease:{lease.name}")], args=[lease.owner, ttl_ms]))

    async def release(self, lease: Lease) -> None:
        """Release *lease*, if it is held."""
        await self._if_owner(keys=[self.key(f"lease:{lease.name}")], args=[lease.owner, 0])

    # failures and backlogs

    async def fail(self, delivery: Delivery, error: str) -> None:
        """Keep *error* of a message whose handler raised; the message stays pending and will be claimed."""
        await self._dead.keep_error(delivery.token, error)
        metrics.FAILED.labels(delivery.token.stream, delivery.token.group).inc()

    async def put_aside(self, delivery: Delivery, error: str) -> None:
        """Move a message that was tried too often to the dead letters."""
        await self._dead.put_aside(delivery.token, to_wire(delivery.message), error, delivery.tries)

    async def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters, oldest first."""
        return await self._dead.all()

    async def put_back(self, dead_id: str) -> bool:
        """Add the dead letter *dead_id* to its stream again; return whether it was there."""
        return await self._dead.put_back(dead_id)

    async def backlog(self, stream: Stream, group: str) -> Backlog:
        """Return how far *group* is behind."""
        return await self._backlogs.of(stream, group)

    async def rolled_back(self, stream: Stream, entry_id: str) -> bool:
        """Return whether *stream* has lost *entry_id*, which nothing trimmed: a failover took it back."""
        return await self._backlogs.rolled_back(stream, entry_id)

    async def trim_read(self, stream: Stream, *, readers: Sequence[str] = ()) -> int:
        """Drop what every group has acknowledged; return how many entries went.

        Nothing goes before each of *readers* has its group: one that never started has read nothing.
        """
        return await self._backlogs.trim_read(stream, readers=readers)

    async def server_id(self) -> str:
        """Return what tells the server from others, until it starts again."""
        return text((await self.redis.info("server"))["run_id"])

    async def memory_bytes(self) -> int:
        """Return how much memory the server uses."""
        return int((await self.redis.info("memory"))["used_memory"])

    async def close(self) -> None:
        await self._unrepeated.aclose()
        await self.redis.aclose()


def _encoded(stream: Stream, message: Message | PackedSnapshot) -> bytes:
    """Return *message* as it is sent, its bytes counted."""
    data = to_wire(message)
    metrics.SENT_BYTES.labels(stream).inc(len(data))
    return data


def _bound(stream: Stream, at: int) -> tuple[str, str, str]:
    """Return the trimming strategy, its bound, and the most entries, for an entry added to *stream*."""
    kept = RETENTION[stream]
    if kept.milliseconds is not None:
        return "MINID", str(at - kept.milliseconds), str(kept.at_most)
    return "MAXLEN", str(kept.at_most), str(kept.at_most)


def _readable(stream: Stream, data: bytes) -> Message | None:
    """Return the message in *data*, or None, counted, where there is none."""
    try:
        return from_wire(data)
    except UNREADABLE:
        metrics.DROPPED.labels(stream, "unreadable").inc()
        return None


def _count(commit: Commit, result: CommitResult) -> None:
    metrics.COMMITS.labels(result).inc()
    if result is CommitResult.COMMITTED:
        for stream, _ in commit.outputs:
            metrics.SENT.labels(stream).inc()


async def wait_for_redis(bus: RedisBus, *, log: Any) -> None:
    """Return when the server answers; say every few seconds that it does not yet."""
    while True:
        try:
            await bus.redis.ping()
            return
        except (RedisConnectionError, RedisTimeoutError, ResponseError) as error:
            log.warning("redis is not ready", error=str(error))
            await asyncio.sleep(1.0)
