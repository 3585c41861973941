"""The bus on Redis 6.2 or later, or Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared import metrics
from shared.bus import connection, scripts
from shared.bus.answers import now_ms, pages, text
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
    State,
)
from shared.bus.dead import DeadLetters
from shared.bus.reader import GroupReader
from shared.bus.wire import UNREADABLE, from_wire, to_wire
from shared.contracts import Message, SettingsEvent, Stream


class RedisBus:
    """The bus on Redis 6.2 or later, or Valkey."""

    def __init__(self, url: str, market: str = "binance-um") -> None:
        self.market = market
        again = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), 5)
        self.redis = connection.client(url, retry=again, retry_on_error=[RedisConnectionError, RedisTimeoutError])
        self._unrepeated = connection.client(url, retry=Retry(NoBackoff(), 0))
        self._dead = DeadLetters(self.redis, self.key)
        self._reader = GroupReader(self.redis, self._unrepeated, self.key, self._dead)
        self._backlogs = Backlogs(self.redis, self.key)
        self._commit = self.redis.register_script(scripts.COMMIT)
        self._if_owner = self.redis.register_script(scripts.IF_OWNER)
        self._publish = self.redis.register_script(scripts.PUBLISH)

    def key(self, name: str) -> str:
        """Return the key of *name*: one hash tag for the whole market."""
        return f"{{{self.market}}}:{name}"

    # what comes in

    async def ensure_group(self, stream: Stream, group: str) -> None:
        """Create *group* at the stream's beginning unless it exists."""
        await self._reader.ensure_group(stream, group)

    async def read(
        self, group: str, consumer: str, streams: Sequence[Stream], *, count: int = 64, block_ms: int = BLOCK_MS
    ) -> list[Delivery]:
        """Return new messages of *streams*, at most *count* of each, waiting at most *block_ms*."""
        return await self._reader.read(group, consumer, streams, count=count, block_ms=block_ms)

    async def pending(self, group: str, consumer: str, streams: Sequence[Stream]) -> list[Delivery]:
        """Return everything this consumer got and never committed, oldest first; put aside those tried too often."""
        return await self._reader.pending(group, consumer, streams)

    async def claim(
        self, group: str, consumer: str, stream: Stream, *, min_idle_ms: int, count: int = 64
    ) -> list[Delivery]:
        """Take over messages that others got and left for *min_idle_ms*; put aside those tried too often."""
        return await self._reader.claim(group, consumer, stream, min_idle_ms=min_idle_ms, count=count)

    async def tail(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = BLOCK_MS
    ) -> list[tuple[Stream, str, Message]]:
        """Return what follows the ids in *after*, without a group (for newest-wins readers)."""
        position = dict(after)
        while True:
            names: dict[Any, Any] = {self.key(stream): start for stream, start in position.items()}
            read = pages(await self.redis.xread(names, count=count, block=block_ms or None))
            found: list[tuple[Stream, str, Message]] = []
            for key, entries in read:
                stream = Stream(key.rsplit(":", 1)[1])
                for entry_id, fields in entries:
                    position[stream] = text(entry_id)
                    if (message := _readable(stream, fields.get(b"d", b""))) is not None:
                        found.append((stream, text(entry_id), message))
            if found or not read:
                return found

    async def last_id(self, stream: Stream) -> str:
        """Return the id of the newest entry, ``0-0`` without one."""
        newest = await self.redis.xrevrange(self.key(stream), count=1)
        return text(newest[0][0]) if newest else "0-0"

    # what goes out

    async def publish(self, stream: Stream, messages: Sequence[Message], *, lease: Lease | None = None) -> list[str]:
        """Add *messages* as a source does, without a token; return their entry ids.

        Raises `LeaseLost` when *lease* is given and not held; then nothing was written.
        """
        ids = await self._publish(
            keys=[self.key(stream), self.key(f"lease:{lease.name if lease else ''}")],
            args=[
                lease.owner if lease else "",
                *_bound(stream, now_ms()),
                *[to_wire(message) for message in messages],
            ],
        )
        if ids is None:
            raise LeaseLost(lease.name if lease else "")
        metrics.SENT.labels(stream).inc(len(messages))
        return [text(entry_id) for entry_id in ids]

    async def publish_settings(self, event: SettingsEvent) -> str:
        """Add *event* to `settings` and keep it as the newest of its type."""
        data = to_wire(event)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(self.key("settings-newest"), type(event).__name__, data)
            pipe.xadd(self.key(Stream.SETTINGS), {"d": data}, maxlen=RETENTION[Stream.SETTINGS].at_most)
            answers = await pipe.execute()
        metrics.SENT.labels(Stream.SETTINGS).inc()
        return text(answers[1])

    async def newest_settings(self) -> list[SettingsEvent]:
        """Return the newest event of each type on `settings`."""
        held = await self.redis.hgetall(self.key("settings-newest"))
        events = [_readable(Stream.SETTINGS, data) for data in held.values()]
        return [event for event in events if event is not None]  # type: ignore[misc]

    async def commit(self, commit: Commit) -> CommitResult:
        """Do all that *commit* says, or nothing."""
        return (await self.commit_all([commit]))[0]

    async def commit_all(self, commits: Sequence[Commit]) -> list[CommitResult]:
        """Do each of *commits* in turn, each at once or not at all, in one round trip."""
        if not commits:
            return []
        calls = [self._arguments(commit) for commit in commits]
        answers = await self._evaluate(calls)
        missing = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:  # only those are repeated: another client may have loaded the script half way
            await self.redis.script_load(scripts.COMMIT)
            again = await self._evaluate([calls[number] for number in missing])
            for number, answer in zip(missing, again, strict=True):
                answers[number] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        results = [CommitResult(text(answer)) for answer in answers]
        for commit, result in zip(commits, results, strict=True):
            _count(commit, result)
        return results

    async def _evaluate(self, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        """Run the commits in order; return each one's answer or exception."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for keys, arguments in calls:
                pipe.evalsha(self._commit.sha, len(keys), *keys, *arguments)
            return list(await pipe.execute(raise_on_error=False))

    def _arguments(self, commit: Commit) -> tuple[list[str], list[Any]]:
        """Return the script's keys and arguments."""
        state, lease = commit.state, commit.lease
        keys = [
            self.key(f"state:{state.name if state else ''}"),
            self.key(f"lease:{lease.name if lease else ''}"),
            self.key("errors"),
        ]
        positions: dict[Stream, int] = {}

        def position(stream: Stream) -> int:
            if stream not in positions:
                keys.append(self.key(stream))
                positions[stream] = len(keys)
            return positions[stream]

        now = now_ms()
        arguments: list[Any] = [state.expected_version if state else "", lease.owner if lease else ""]
        arguments.append(len(commit.tokens))
        for token in commit.tokens:
            arguments += [position(token.stream), token.group, token.entry_id]
        arguments.append(len(commit.outputs))
        for stream, message in commit.outputs:
            arguments += [position(stream), to_wire(message), *_bound(stream, now)]
        arguments.append(len(commit.trim_before))
        for stream, entry_id in commit.trim_before.items():
            arguments += [position(stream), entry_id]
        if state:
            arguments.append(len(state.fields))
            for name, value in state.fields.items():
                arguments += [name, "0" if value is None else "1", value or b""]
        return keys, arguments

    async def load_state(self, name: str) -> State:
        """Return the state of the service *name*."""
        held = {text(key): value for key, value in (await self.redis.hgetall(self.key(f"state:{name}"))).items()}
        return State(int(held.pop("version", b"0")), held)

    async def acquire(self, lease: Lease, *, ttl_ms: int) -> bool:
        """Take *lease* if nobody holds it (or its owner is this one); return whether it is held."""
        taken = await self.redis.set(self.key(f"lease:{lease.name}"), lease.owner, nx=True, px=ttl_ms)
        return bool(taken) or await self.renew(lease, ttl_ms=ttl_ms)

    async def renew(self, lease: Lease, *, ttl_ms: int) -> bool:
        """Hold *lease* for *ttl_ms* from now; return whether it was still held."""
        return bool(await self._if_owner(keys=[self.key(f"lease:{lease.name}")], args=[lease.owner, ttl_ms]))

    async def release(self, lease: Lease) -> None:
        """Give *lease* up, if it is held."""
        await self._if_owner(keys=[self.key(f"lease:{lease.name}")], args=[lease.owner, 0])

    # what went wrong, and how far behind everybody is

    async def fail(self, delivery: Delivery, error: str) -> None:
        """Keep *error* for a message whose handler raised; it stays pending and will be claimed."""
        await self._dead.keep_error(delivery.token, error)
        metrics.FAILED.labels(delivery.token.stream, delivery.token.group).inc()

    async def put_aside(self, delivery: Delivery, error: str) -> None:
        """Move a message that its handler has tried often enough to the dead letters."""
        await self._dead.put_aside(delivery.token, to_wire(delivery.message), error, delivery.tries)

    async def dead_letters(self) -> list[DeadLetter]:
        """Return all messages that were put aside, oldest first."""
        return await self._dead.all()

    async def put_back(self, dead_id: str) -> bool:
        """Add the dead letter *dead_id* to its stream again; return whether it was there."""
        return await self._dead.put_back(dead_id)

    async def backlog(self, stream: Stream, group: str) -> Backlog:
        """Return how far *group* is behind."""
        return await self._backlogs.of(stream, group)

    async def trim_read(self, stream: Stream, *, readers: Sequence[str] = ()) -> int:
        """Drop what every group has acknowledged; return how many entries went.

        Nothing goes before each of *readers* has its group: one that never started has read nothing.
        """
        return await self._backlogs.trim_read(stream, readers=readers)

    async def close(self) -> None:
        await self._unrepeated.aclose()
        await self.redis.aclose()


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
