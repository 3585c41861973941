"""The bus between the services: Redis streams with a one-script commit.

A stage reads messages under a group, and commits what came of them in one Lua script: it compares
the state's version and the lease (mismatch: ``stale``), acknowledges (nothing to acknowledge:
``done``, somebody else has committed), and only then adds the outputs and sets the state.
The pending entry is the token, so nothing is lost and nothing doubled whoever is killed when.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec
import redis.asyncio as redis
import zstandard
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared import metrics
from shared.contracts import Message, SettingsEvent, Stream, decode, encode

MAX_TRIES: Final = 5  #: deliveries of one message before it is put aside
SUSPECT_TRIES: Final = 3  #: from here on a message is claimed alone: it may have killed those it came with
MAX_RESTARTS: Final = 20  #: as MAX_TRIES, for what a restarted consumer finds of its own: kills are nobody's fault
COMPRESS_ABOVE: Final = 2048  #: bytes
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
BLOCK_MS: Final = 2_000  #: longest blocking read; the socket's timeout is well above it
SOCKET_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class Retention:
    """How much of a stream is kept beyond what its makers trim themselves."""

    at_most: int  #: entries, whatever happens
    milliseconds: int | None = None  #: age by the wall clock
    until_read: bool = False  #: trimmed only behind every group's oldest pending entry


RETENTION: Final[dict[Stream, Retention]] = {
    Stream.SNAPSHOTS: Retention(at_most=2_400),
    Stream.TICKS: Retention(at_most=20_000, milliseconds=120_000),
    Stream.SCANS: Retention(at_most=20_000, milliseconds=86_400_000),
    Stream.ANALYSES: Retention(at_most=2_400),
    Stream.DECISIONS: Retention(at_most=3_000),
    Stream.DECISIONS_PASSED: Retention(at_most=5_000),
    Stream.ALERTS: Retention(at_most=200_000, until_read=True),
    Stream.DELIVERIES: Retention(at_most=400_000, until_read=True),
    Stream.SETTINGS: Retention(at_most=256),
}


class LeaseLost(Exception):  # noqa: N818 - a state of affairs, not an error
    """Somebody else holds the lease now: stop and stand by."""


class CommitResult(StrEnum):
    COMMITTED = "committed"
    DONE = "done"  #: somebody else had committed this message; nothing was written
    STALE = "stale"  #: the state or the lease has moved on; nothing was written


@dataclass(frozen=True)
class Token:
    """The right to commit one message: its pending entry."""

    stream: Stream
    group: str
    entry_id: str


@dataclass(frozen=True)
class Delivery:
    """A message as one consumer got it."""

    token: Token
    message: Message
    tries: int = 1

    @property
    def sent_at(self) -> int:
        """When the bus received it, wall clock, ms."""
        return int(self.token.entry_id.split("-")[0])


@dataclass(frozen=True)
class Lease:
    """The exclusive right to be the active one of a service."""

    name: str
    owner: str


@dataclass(frozen=True)
class State:
    """A service's state as the bus holds it; version 0 and no fields where there is none."""

    version: int
    fields: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class StateChange:
    """Set *fields* (None deletes one) if the state still has *expected_version*."""

    name: str
    expected_version: int
    fields: Mapping[str, bytes | None]


@dataclass(frozen=True)
class Commit:
    """All that comes of some messages, to be done at once or not at all."""

    tokens: Sequence[Token] = ()
    outputs: Sequence[tuple[Stream, Message]] = ()
    state: StateChange | None = None
    lease: Lease | None = None
    trim_before: Mapping[Stream, str] = field(default_factory=dict)  #: entries older than this id may go


@dataclass(frozen=True)
class DeadLetter:
    """A message that was put aside, and why."""

    dead_id: str
    stream: Stream
    group: str
    entry_id: str
    error: str
    tries: int
    payload: bytes


@dataclass(frozen=True)
class Backlog:
    """How far one group is behind on one stream."""

    length: int
    undelivered: int  #: entries after the group's last delivered one
    pending: int
    oldest_pending_ms: int  #: age of the oldest unacknowledged entry, 0 without one
    trimmed_unread: int  #: entries that were trimmed before this group read them


class Bus(Protocol):
    """What the services need of a bus; `RedisBus` and `MemoryBus` pass one behaviour suite."""

    market: str

    async def ensure_group(self, stream: Stream, group: str) -> None: ...
    async def publish(
        self, stream: Stream, messages: Sequence[Message], *, lease: Lease | None = None
    ) -> list[str]: ...
    async def publish_settings(self, event: SettingsEvent) -> str: ...
    async def newest_settings(self) -> list[SettingsEvent]: ...
    async def read(
        self, group: str, consumer: str, streams: Sequence[Stream], *, count: int = 64, block_ms: int = BLOCK_MS
    ) -> list[Delivery]: ...
    async def pending(self, group: str, consumer: str, streams: Sequence[Stream]) -> list[Delivery]: ...
    async def claim(
        self, group: str, consumer: str, stream: Stream, *, min_idle_ms: int, count: int = 64
    ) -> list[Delivery]: ...
    async def tail(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = BLOCK_MS
    ) -> list[tuple[Stream, str, Message]]: ...
    async def last_id(self, stream: Stream) -> str: ...
    async def commit(self, commit: Commit) -> CommitResult: ...
    async def commit_all(self, commits: Sequence[Commit]) -> list[CommitResult]: ...
    async def load_state(self, name: str) -> State: ...
    async def acquire(self, lease: Lease, *, ttl_ms: int) -> bool: ...
    async def renew(self, lease: Lease, *, ttl_ms: int) -> bool: ...
    async def release(self, lease: Lease) -> None: ...
    async def fail(self, delivery: Delivery, error: str) -> None: ...
    async def put_aside(self, delivery: Delivery, error: str) -> None: ...
    async def dead_letters(self) -> list[DeadLetter]: ...
    async def put_back(self, dead_id: str) -> bool: ...
    async def backlog(self, stream: Stream, group: str) -> Backlog: ...
    async def trim_read(self, stream: Stream, *, readers: Sequence[str] = ()) -> int: ...
    async def close(self) -> None: ...


def to_wire(message: Message) -> bytes:
    """Return *message* encoded, compressed where it is worth it."""
    data = encode(message)
    return zstandard.compress(data, 1) if len(data) > COMPRESS_ABOVE else data


def from_wire(data: bytes) -> Message:
    """Return the message in *data*; raise `msgspec.DecodeError` or `zstandard.ZstdError`."""
    return decode(zstandard.decompress(data) if data[:4] == ZSTD_MAGIC else data)


_COMMIT_LUA: Final = """
-- KEYS: state, lease, errors, then every stream.  ARGV: version, owner, and three counted lists.
local argument = 3
local function take() argument = argument + 1; return ARGV[argument - 1] end
if ARGV[1] ~= '' and (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 'stale' end
if ARGV[2] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[2] then return 'stale' end
local wanted, acknowledged = tonumber(take()), 0
for _ = 1, wanted do
  local stream, group, id = KEYS[tonumber(take())], take(), take()
  acknowledged = acknowledged + redis.call('XACK', stream, group, id)
end
if wanted > 0 and acknowledged == 0 then return 'done' end
if wanted > 0 and redis.call('EXISTS', KEYS[3]) == 1 then
  for position = 4, 3 + 3 * wanted, 3 do
    local name = string.match(KEYS[tonumber(ARGV[position])], '[^:]+$')
    redis.call('HDEL', KEYS[3], name .. ':' .. ARGV[position + 1] .. ':' .. ARGV[position + 2])
  end
end
for _ = 1, tonumber(take()) do
  local stream, payload, strategy, bound, cap = KEYS[tonumber(take())], take(), take(), take(), take()
  redis.call('XADD', stream, strategy, '~', bound, '*', 'd', payload)
  if strategy == 'MINID' then redis.call('XTRIM', stream, 'MAXLEN', '~', cap) end
end
for _ = 1, tonumber(take()) do
  redis.call('XTRIM', KEYS[tonumber(take())], 'MINID', take())
end
if ARGV[1] ~= '' then
  for _ = 1, tonumber(take()) do
    local name, kept, value = take(), take(), take()
    if kept == '1' then redis.call('HSET', KEYS[1], name, value) else redis.call('HDEL', KEYS[1], name) end
  end
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return 'committed'
"""

_IF_OWNER_LUA: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


_PUBLISH_LUA: Final = """
-- KEYS: stream, lease.  ARGV: owner, strategy, bound, cap, payloads.
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then return false end
local ids = {}
for position = 5, #ARGV do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], ARGV[2], '~', ARGV[3], '*', 'd', ARGV[position])
end
if ARGV[2] == 'MINID' then redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[4]) end
return ids
"""

_PUT_ASIDE_LUA: Final = """
-- KEYS: stream, dead letters, errors.  ARGV: stream, group, id, error unless one was kept, tries, payload.
if redis.call('XACK', KEYS[1], ARGV[2], ARGV[3]) == 0 then return 0 end
local field = ARGV[1] .. ':' .. ARGV[2] .. ':' .. ARGV[3]
local error = redis.call('HGET', KEYS[3], field) or ARGV[4]
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'stream', ARGV[1], 'group', ARGV[2],
  'entry_id', ARGV[3], 'error', error, 'tries', ARGV[5], 'd', ARGV[6])
redis.call('HDEL', KEYS[3], field)
return 1
"""

_PUT_BACK_LUA: Final = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'd', ARGV[2])
return 1
"""

_COUNT_LUA: Final = """
local total, after = 0, ARGV[1]
while total < 20000 do
  local page = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 200)
  total = total + #page
  if #page < 200 then break end
  after = page[#page][1]
end
return total
"""


def _bound(stream: Stream, now_ms: int) -> tuple[str, str, str]:
    """Return the trimming strategy, its bound, and the most entries, for an entry added to *stream*."""
    kept = RETENTION[stream]
    if kept.milliseconds is not None:
        return "MINID", str(now_ms - kept.milliseconds), str(kept.at_most)
    return "MAXLEN", str(kept.at_most), str(kept.at_most)


class RedisBus:
    """The bus on Redis 6.2 or later, or Valkey."""

    def __init__(self, url: str, market: str = "binance-um") -> None:
        self.market = market
        self.redis: Any = redis.Redis.from_url(  # its types cover both text and bytes
            url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=5.0,
            health_check_interval=15,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), 5),
            retry_on_error=[RedisConnectionError, RedisTimeoutError],
        )
        # a group's read is never repeated silently: what a lost answer held is fetched anew, see `_lost`
        self._reader: Any = redis.Redis.from_url(
            url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=5.0,
            health_check_interval=15,
            retry=Retry(NoBackoff(), 0),
        )
        self._commit = self.redis.register_script(_COMMIT_LUA)
        self._if_owner = self.redis.register_script(_IF_OWNER_LUA)
        self._publish = self.redis.register_script(_PUBLISH_LUA)
        self._aside = self.redis.register_script(_PUT_ASIDE_LUA)
        self._back = self.redis.register_script(_PUT_BACK_LUA)
        self._count = self.redis.register_script(_COUNT_LUA)
        self._groups: set[tuple[Stream, str]] = set()
        self._seen: dict[tuple[Stream, str, str], str] = {}  #: newest id each consumer got
        self._doubtful: set[tuple[str, str]] = set()  #: (group, consumer) whose last read had no answer

    def key(self, name: str) -> str:
        """Return the key of *name*: one hash tag for the whole market."""
        return f"{{{self.market}}}:{name}"

    async def ensure_group(self, stream: Stream, group: str) -> None:
        """Create *group* at the stream's beginning unless it exists."""
        try:
            await self.redis.xgroup_create(self.key(stream), group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._groups.add((stream, group))

    async def publish(self, stream: Stream, messages: Sequence[Message], *, lease: Lease | None = None) -> list[str]:
        """Add *messages* as a source does, without a token; return their entry ids.

        Raises `LeaseLost` when *lease* is given and not held; then nothing was written.
        """
        ids = await self._publish(
            keys=[self.key(stream), self.key(f"lease:{lease.name if lease else ''}")],
            args=[
                lease.owner if lease else "",
                *_bound(stream, _now_ms()),
                *[to_wire(message) for message in messages],
            ],
        )
        if ids is None:
            raise LeaseLost(lease.name if lease else "")
        metrics.SENT.labels(stream).inc(len(messages))
        return [_text(entry_id) for entry_id in ids]

    async def publish_settings(self, event: SettingsEvent) -> str:
        """Add *event* to `settings` and keep it as the newest of its type."""
        data = to_wire(event)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(self.key("settings-newest"), type(event).__name__, data)
            pipe.xadd(self.key(Stream.SETTINGS), {"d": data}, maxlen=RETENTION[Stream.SETTINGS].at_most)
            answers = await pipe.execute()
        metrics.SENT.labels(Stream.SETTINGS).inc()
        return _text(answers[1])

    async def newest_settings(self) -> list[SettingsEvent]:
        """Return the newest event of each type on `settings`."""
        held = await self.redis.hgetall(self.key("settings-newest"))
        events = [_readable(Stream.SETTINGS, data) for data in held.values()]
        return [event for event in events if event is not None]  # type: ignore[misc]

    async def read(
        self, group: str, consumer: str, streams: Sequence[Stream], *, count: int = 64, block_ms: int = BLOCK_MS
    ) -> list[Delivery]:
        """Return new messages of *streams*, at most *count* of each, waiting at most *block_ms*."""
        if (group, consumer) in self._doubtful and (lost := await self._lost(group, consumer, streams)):
            return lost
        pages = await self._pages(group, consumer, dict.fromkeys(streams, ">"), count, block_ms)
        return await self._deliveries(group, consumer, pages)

    async def _lost(self, group: str, consumer: str, streams: Sequence[Stream]) -> list[Delivery]:
        """Return what the server delivered and a broken connection never brought."""
        after = {stream: self._seen.get((stream, group, consumer), "0") for stream in streams}
        pages = await self._pages(group, consumer, after, 256, None)
        if not any(entries for _, entries in pages):
            self._doubtful.discard((group, consumer))
        return await self._deliveries(group, consumer, pages)

    async def pending(self, group: str, consumer: str, streams: Sequence[Stream]) -> list[Delivery]:
        """Return everything this consumer got and never committed, oldest first; put aside those tried too often."""
        found: list[Delivery] = []
        for stream in streams:
            tries = await self._tries(group, consumer, stream)
            after = "0"
            while entries := [
                entry for _, page in await self._pages(group, consumer, {stream: after}, 256, None) for entry in page
            ]:
                after = _text(entries[-1][0])
                for delivery in await self._deliveries(group, consumer, [(self.key(stream), entries)]):
                    times = tries.get(delivery.token.entry_id, 0) + 1
                    if times > MAX_RESTARTS:
                        await self._put_aside(
                            delivery.token, to_wire(delivery.message), "its consumer kept dying", times - 1
                        )
                    else:
                        found.append(Delivery(delivery.token, delivery.message, times))
        return found

    async def _tries(self, group: str, consumer: str, stream: Stream) -> dict[str, int]:
        """Return how often each entry that *consumer* holds was delivered."""
        try:
            rows = await self.redis.xpending_range(self.key(stream), group, "-", "+", 20_000, consumer)
        except ResponseError:  # no such group yet
            return {}
        return {_text(row["message_id"]): int(row["times_delivered"]) for row in rows}

    async def _pages(
        self, group: str, consumer: str, after: Mapping[Stream, str], count: int, block_ms: int | None
    ) -> list[tuple[str, list[Any]]]:
        """Return XREADGROUP's answer; remember where there was none."""
        names: dict[Any, Any] = {self.key(stream): start for stream, start in after.items()}
        for stream in after:
            if (stream, group) not in self._groups:
                await self.ensure_group(stream, group)
        try:
            answer = await self._reader.xreadgroup(group, consumer, names, count=count, block=block_ms or None)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._regroup(after, group)
            return []
        except BaseException:
            self._doubtful.add((group, consumer))
            raise
        return _pages(answer)

    async def _regroup(self, streams: Iterable[Stream], group: str) -> None:
        """Make the groups anew after the bus lost them."""
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
                token = Token(stream, group, _text(entry_id))
                self._seen[stream, group, consumer] = token.entry_id
                if (delivery := await self._open(token, fields)) is not None:
                    deliveries.append(delivery)
        return deliveries

    async def _open(self, token: Token, fields: Mapping[bytes, bytes] | None, tries: int = 1) -> Delivery | None:
        if not fields:  # trimmed while it was pending
            metrics.DROPPED.labels(token.stream, "trimmed").inc()
            await self.redis.xack(self.key(token.stream), token.group, token.entry_id)
            return None
        data = fields.get(b"d", b"")
        try:
            message = from_wire(data)
        except (msgspec.DecodeError, zstandard.ZstdError) as error:
            await self._put_aside(token, data, f"unreadable: {error}", tries)
            return None
        metrics.RECEIVED.labels(token.stream, token.group).inc()
        return Delivery(token, message, tries)

    async def claim(
        self, group: str, consumer: str, stream: Stream, *, min_idle_ms: int, count: int = 64
    ) -> list[Delivery]:
        """Take over messages that others got and left for *min_idle_ms*; put aside those tried too often."""
        key = self.key(stream)
        try:
            idle = await self.redis.xpending_range(key, group, "-", "+", count, idle=min_idle_ms)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._regroup([stream], group)
            return []
        if not idle:
            return []
        tries = _together({_text(row["message_id"]): int(row["times_delivered"]) for row in idle})
        entries = await self.redis.xclaim(key, group, consumer, min_idle_ms, list(tries))
        found = {_text(entry_id): fields for entry_id, fields in entries if fields}
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
            await self._put_aside(token, fields.get(b"d", b""), "gave up without an error", tries - 1)
            return None
        metrics.CLAIMED.labels(token.stream, token.group).inc()
        return await self._open(token, fields, tries)

    async def _gone(self, token: Token) -> None:
        """Acknowledge an entry that was trimmed; one that another consumer claimed first still exists."""
        if not await self.redis.xrange(self.key(token.stream), token.entry_id, token.entry_id):
            await self._open(token, None)

    async def _put_aside(self, token: Token, data: bytes, error: str, tries: int) -> None:
        """Move a message to the dead letters, unless somebody has done so or committed it."""
        moved = await self._aside(
            keys=[self.key(token.stream), self.key("dead"), self.key("errors")],
            args=[token.stream.value, token.group, token.entry_id, error, tries, data],
        )
        if moved:
            metrics.DROPPED.labels(token.stream, "dead-lettered").inc()

    async def tail(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = BLOCK_MS
    ) -> list[tuple[Stream, str, Message]]:
        """Return what follows the ids in *after*, without a group (for newest-wins readers)."""
        position = dict(after)
        while True:
            names: dict[Any, Any] = {self.key(stream): start for stream, start in position.items()}
            pages = _pages(await self.redis.xread(names, count=count, block=block_ms or None))
            found: list[tuple[Stream, str, Message]] = []
            for key, entries in pages:
                stream = Stream(key.rsplit(":", 1)[1])
                for entry_id, fields in entries:
                    position[stream] = _text(entry_id)
                    if (message := _readable(stream, fields.get(b"d", b""))) is not None:
                        found.append((stream, _text(entry_id), message))
            if found or not pages:
                return found

    async def last_id(self, stream: Stream) -> str:
        """Return the id of the newest entry, ``0-0`` without one."""
        newest = await self.redis.xrevrange(self.key(stream), count=1)
        return _text(newest[0][0]) if newest else "0-0"

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
            await self.redis.script_load(_COMMIT_LUA)
            again = await self._evaluate([calls[number] for number in missing])
            for number, answer in zip(missing, again, strict=True):
                answers[number] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        results = [CommitResult(_text(answer)) for answer in answers]
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

        now = _now_ms()
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
        held = {_text(key): value for key, value in (await self.redis.hgetall(self.key(f"state:{name}"))).items()}
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

    async def fail(self, delivery: Delivery, error: str) -> None:
        """Keep *error* for a message whose handler raised; it stays pending and will be claimed."""
        await self.redis.hset(self.key("errors"), _error_field(delivery.token), error[:4_000])
        metrics.FAILED.labels(delivery.token.stream, delivery.token.group).inc()

    async def put_aside(self, delivery: Delivery, error: str) -> None:
        """Move a message that its handler has tried often enough to the dead letters."""
        await self._put_aside(delivery.token, to_wire(delivery.message), error, delivery.tries)

    async def dead_letters(self) -> list[DeadLetter]:
        """Return all messages that were put aside, oldest first."""
        entries = await self.redis.xrange(self.key("dead"))
        return [_letter(_text(entry_id), fields) for entry_id, fields in entries]

    async def put_back(self, dead_id: str) -> bool:
        """Add the dead letter *dead_id* to its stream again; return whether it was there."""
        entries = await self.redis.xrange(self.key("dead"), dead_id, dead_id)
        if not entries:
            return False
        letter = _letter(dead_id, entries[0][1])
        keys = [self.key("dead"), self.key(letter.stream)]
        return bool(await self._back(keys=keys, args=[dead_id, letter.payload]))

    async def backlog(self, stream: Stream, group: str) -> Backlog:
        """Return how far *group* is behind; the server's own `lag` is not used, it can be wrong after a trim."""
        key = self.key(stream)
        try:
            info = await self.redis.xinfo_stream(key)
            groups = {_text(row["name"]): row for row in await self.redis.xinfo_groups(key)}
        except ResponseError:
            return Backlog(0, 0, 0, 0, 0)
        row = groups.get(group)
        if row is None:
            return Backlog(int(info["length"]), int(info["length"]), 0, 0, 0)
        last = _text(row["last-delivered-id"])
        undelivered = await self._undelivered(key, info, last)
        oldest = await self.redis.xpending_range(key, group, "-", "+", 1)
        age = _now_ms() - int(_text(oldest[0]["message_id"]).split("-")[0]) if oldest else 0
        read = row.get("entries-read")
        trimmed = int(info.get("entries-added", 0)) - int(read) - undelivered if read is not None else 0
        return Backlog(int(info["length"]), undelivered, int(row["pending"]), max(0, age), max(0, trimmed))

    async def _undelivered(self, key: str, info: Mapping[str, Any], last: str) -> int:
        """Count what follows *last* without moving the payloads to the client."""
        if _order(last) >= _order(_text(info["last-generated-id"])):
            return 0
        first = info.get("first-entry")
        if first and _order(_text(first[0])) > _order(last):
            return int(info["length"])
        return int(await self._count(keys=[key], args=[last]))

    async def trim_read(self, stream: Stream, *, readers: Sequence[str] = ()) -> int:
        """Drop what every group has acknowledged; return how many entries went.

        Nothing goes before each of *readers* has its group: one that never started has read nothing.
        """
        key = self.key(stream)
        try:
            groups = await self.redis.xinfo_groups(key)
        except ResponseError:
            return 0
        bounds = [await self._unread_from(key, row) for row in groups]
        if not bounds or not set(readers) <= {_text(row["name"]) for row in groups}:
            return 0
        return int(await self.redis.xtrim(key, minid=min(bounds, key=_order), approximate=False))

    async def _unread_from(self, key: str, row: Mapping[str, Any]) -> str:
        """Return the id from which on a group still needs the stream."""
        oldest = await self.redis.xpending_range(key, _text(row["name"]), "-", "+", 1)
        if oldest:
            return _text(oldest[0]["message_id"])
        milliseconds, sequence = _order(_text(row["last-delivered-id"]))
        return f"{milliseconds}-{sequence + 1}"

    async def close(self) -> None:
        await self._reader.aclose()
        await self.redis.aclose()


def _readable(stream: Stream, data: bytes) -> Message | None:
    """Return the message in *data*, or None, counted, where there is none."""
    try:
        return from_wire(data)
    except (msgspec.DecodeError, zstandard.ZstdError):
        metrics.DROPPED.labels(stream, "unreadable").inc()
        return None


def _together(tries: dict[str, int]) -> dict[str, int]:
    """Return those that may be claimed at once: the unsuspicious, else one suspect alone."""
    innocent = {entry_id: times for entry_id, times in tries.items() if times < SUSPECT_TRIES}
    return innocent or dict(list(tries.items())[:1])


def _pages(answer: Any) -> list[tuple[str, list[Any]]]:
    """Return an XREAD answer as (key, entries), whichever protocol version it came by."""
    if not answer:
        return []
    if isinstance(answer, Mapping):
        return [
            (_text(key), [entry for page in pages for entry in (page if _is_page(page) else [page])])
            for key, pages in answer.items()
        ]
    return [(_text(key), entries) for key, entries in answer]


def _is_page(page: Any) -> bool:
    return isinstance(page, list) and (not page or isinstance(page[0], list | tuple))


def _letter(dead_id: str, fields: Mapping[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        dead_id=dead_id,
        stream=Stream(_text(fields[b"stream"])),
        group=_text(fields[b"group"]),
        entry_id=_text(fields[b"entry_id"]),
        error=_text(fields[b"error"]),
        tries=int(fields[b"tries"]),
        payload=fields[b"d"],
    )


def _count(commit: Commit, result: CommitResult) -> None:
    metrics.COMMITS.labels(result).inc()
    if result is CommitResult.COMMITTED:
        for stream, _ in commit.outputs:
            metrics.SENT.labels(stream).inc()


def _error_field(token: Token) -> str:
    return f"{token.stream}:{token.group}:{token.entry_id}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def wait_for_redis(bus: RedisBus, *, log: Any) -> None:
    """Return when the server answers; say every few seconds that it does not yet."""
    while True:
        try:
            await bus.redis.ping()
            return
        except (RedisConnectionError, RedisTimeoutError, ResponseError) as error:
            log.warning("redis is not ready", error=str(error))
            await asyncio.sleep(1.0)
