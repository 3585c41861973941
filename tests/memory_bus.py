"""The bus in one process's memory: the same behaviour as `RedisBus`, for tests and tools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.bus.contract import (
    BLOCK_MS,
    MAX_RESTARTS,
    MAX_TRIES,
    RETENTION,
    SUSPECT_TRIES,
    Backlog,
    Commit,
    CommitResult,
    DeadLetter,
    Delivery,
    Lease,
    LeaseLost,
    ServiceState,
    SettingsKind,
    StateChange,
    Token,
)
from shared.bus.reports import ServiceReport
from shared.bus.wire import UNREADABLE, PackedSnapshot, from_wire, to_wire
from shared.contracts import Message, SettingsEvent, Stream

EntryId = tuple[int, int]
BEGINNING: Final[EntryId] = (0, 0)


@dataclass
class _Pending:
    """An entry that was delivered to a consumer and not acknowledged."""

    consumer: str
    at: int  #: wall clock, ms
    tries: int = 1


@dataclass
class _Group:
    last: EntryId = BEGINNING
    pending: dict[EntryId, _Pending] = field(default_factory=dict)
    trimmed: int = 0  #: entries that went before this group read them


@dataclass
class _Log:
    """One stream."""

    entries: dict[EntryId, bytes] = field(default_factory=dict)  #: oldest first
    newest: EntryId = BEGINNING
    groups: dict[str, _Group] = field(default_factory=dict)

    def add(self, data: bytes, now_ms: int) -> EntryId:
        milliseconds, sequence = self.newest
        self.newest = (now_ms, 0) if now_ms > milliseconds else (milliseconds, sequence + 1)
        self.entries[self.newest] = data
        return self.newest

    def drop(self, gone: Sequence[EntryId]) -> int:
        for entry_id in gone:
            del self.entries[entry_id]
            for group in self.groups.values():
                group.trimmed += entry_id > group.last
        return len(gone)

    def after(self, start: EntryId) -> list[EntryId]:
        return [entry_id for entry_id in self.entries if entry_id > start]


class MemoryReports:
    """What the processes of this test say of themselves."""

    def __init__(self) -> None:
        self._reports: dict[str, ServiceReport] = {}

    async def put(self, report: ServiceReport) -> None:
        self._reports[report.instance] = report

    async def take_back(self, instance: str) -> None:
        self._reports.pop(instance, None)

    async def all(self) -> list[ServiceReport]:
        return [self._reports[name] for name in sorted(self._reports)]


class MemoryBus:
    """The streams of one market in this process; give every service the same object."""

    def __init__(self, market: str = "binance-um") -> None:
        self.market = market
        self.reports = MemoryReports()
        self._changed = asyncio.Event()
        self.wipe()

    def wipe(self) -> None:
        """Lose everything, as a server does whose volume is gone."""
        self._logs: dict[Stream, _Log] = {}
        self._states: dict[str, tuple[int, dict[str, bytes]]] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._errors: dict[Token, str] = {}
        self._dead: dict[str, DeadLetter] = {}
        self._newest: dict[str, SettingsEvent] = {}

    def add_raw(self, stream: Stream, data: bytes) -> str:
        """Add unchecked bytes."""
        log = self._log(stream)
        entry_id = log.add(data, _now_ms())
        self._bound(stream, log)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return _text(entry_id)

    def trim(self, stream: Stream, before: str) -> int:
        """Drop the entries older than *before*, read or not."""
        log = self._log(stream)
        return log.drop([entry_id for entry_id in log.entries if entry_id < _id(before)])

    def _log(self, stream: Stream) -> _Log:
        return self._logs.setdefault(stream, _Log())

    def _group(self, stream: Stream, group: str) -> _Group:
        return self._log(stream).groups.setdefault(group, _Group())

    def _bound(self, stream: Stream, log: _Log) -> None:
        kept = RETENTION[stream]
        if kept.milliseconds is not None:
            oldest = _now_ms() - kept.milliseconds
            log.drop([entry_id for entry_id in log.entries if entry_id[0] < oldest])
        log.drop(list(log.entries)[: max(0, len(log.entries) - kept.at_most)])

    async def ensure_group(self, stream: Stream, group: str) -> None:
        self._group(stream, group)

    async def publish(
        self, stream: Stream, messages: Sequence[Message | PackedSnapshot], *, lease: Lease | None = None
    ) -> list[str]:
        if lease is not None and not self._holds(lease):
            raise LeaseLost(lease.name)
        return [self.add_raw(stream, to_wire(message)) for message in messages]

    async def publish_settings(self, event: SettingsEvent) -> str:
        self._newest[type(event).__name__] = event
        return self.add_raw(Stream.SETTINGS, to_wire(event))

    async def newest_settings(self) -> list[SettingsEvent]:
        return list(self._newest.values())

    async def newest_setting(self, kind: type[SettingsKind]) -> SettingsKind | None:
        event = self._newest.get(kind.__name__)
        return event if isinstance(event, kind) else None

    async def read(
        self, group: str, consumer: str, streams: Sequence[Stream], *, count: int = 64, block_ms: int = BLOCK_MS
    ) -> list[Delivery]:
        until = time.monotonic() + block_ms / 1_000
        while True:
            changed = self._changed
            taken = [token for stream in streams for token in self._take(stream, group, consumer, count)]
            if taken or not await _wait(changed, until):
                return self._opened(taken)

    def _take(self, stream: Stream, group: str, consumer: str, count: int) -> list[Token]:
        held = self._group(stream, group)
        fresh = self._log(stream).after(held.last)[:count]
        for entry_id in fresh:
            held.pending[entry_id] = _Pending(consumer, _now_ms())
            held.last = entry_id
        return [Token(stream, group, _text(entry_id)) for entry_id in fresh]

    def _opened(self, tokens: Sequence[Token]) -> list[Delivery]:
        deliveries = [self._open(token) for token in tokens]
        return [delivery for delivery in deliveries if delivery is not None]

    def _open(self, token: Token) -> Delivery | None:
        held = self._group(token.stream, token.group)
        entry_id = _id(token.entry_id)
        data = self._log(token.stream).entries.get(entry_id)
        if data is None:  # trimmed while it was pending
            held.pending.pop(entry_id, None)
            return None
        try:
            return Delivery(token, from_wire(data), held.pending[entry_id].tries)
        except UNREADABLE as error:
            self._put_aside(token, f"unreadable: {error}", held.pending[entry_id].tries)
            return None

    def _put_aside(self, token: Token, error: str, tries: int) -> None:
        entry_id = _id(token.entry_id)
        if self._group(token.stream, token.group).pending.pop(entry_id, None) is None:
            return
        dead_id = f"{_now_ms()}-{len(self._dead)}"
        self._dead[dead_id] = DeadLetter(
            dead_id=dead_id,
            stream=token.stream,
            group=token.group,
            entry_id=token.entry_id,
            error=self._errors.pop(token, error),
            tries=tries,
            payload=self._log(token.stream).entries.get(entry_id, b""),
        )

    async def pending(self, group: str, consumer: str, streams: Sequence[Stream]) -> list[Delivery]:
        return [delivery for stream in streams for delivery in self._again(stream, group, consumer)]

    def _again(self, stream: Stream, group: str, consumer: str) -> list[Delivery]:
        held = self._group(stream, group).pending
        found: list[Delivery] = []
        for entry_id in sorted(entry_id for entry_id, row in held.items() if row.consumer == consumer):
            token = Token(stream, group, _text(entry_id))
            held[entry_id].tries += 1
            held[entry_id].at = _now_ms()
            if held[entry_id].tries > MAX_RESTARTS:
                self._put_aside(token, "its consumer kept dying", held[entry_id].tries - 1)
            else:
                found += self._opened([token])
        return found

    async def claim(
        self, group: str, consumer: str, stream: Stream, *, min_idle_ms: int, count: int = 64
    ) -> list[Delivery]:
        held, now = self._group(stream, group).pending, _now_ms()
        idle = [entry_id for entry_id in sorted(held) if now - held[entry_id].at >= min_idle_ms][:count]
        innocent = [entry_id for entry_id in idle if held[entry_id].tries < SUSPECT_TRIES]
        claimed: list[Delivery] = []
        for entry_id in innocent or idle[:1]:
            token = Token(stream, group, _text(entry_id))
            held[entry_id] = _Pending(consumer, now, held[entry_id].tries + 1)
            if entry_id in self._log(stream).entries and held[entry_id].tries > MAX_TRIES:
                self._put_aside(token, "gave up without an error", MAX_TRIES)
            else:
                claimed += self._opened([token])
        return claimed

    async def tail(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = BLOCK_MS
    ) -> list[tuple[Stream, str, Message]]:
        until = time.monotonic() + block_ms / 1_000
        while True:
            changed = self._changed
            found = [row for stream, start in after.items() for row in self._following(stream, _id(start), count)]
            if found or not await _wait(changed, until):
                return found

    def _following(self, stream: Stream, start: EntryId, count: int) -> list[tuple[Stream, str, Message]]:
        found: list[tuple[Stream, str, Message]] = []
        for _, entry_id, data in self._entries(stream, start):
            try:
                found.append((stream, entry_id, from_wire(data)))
            except UNREADABLE:
                continue
        return found[:count]

    async def entries(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = BLOCK_MS
    ) -> list[tuple[Stream, str, bytes]]:
        until = time.monotonic() + block_ms / 1_000
        while True:
            changed = self._changed
            found = [row for stream, start in after.items() for row in self._entries(stream, _id(start))[:count]]
            if found or not await _wait(changed, until):
                return found

    def _entries(self, stream: Stream, start: EntryId) -> list[tuple[Stream, str, bytes]]:
        log = self._log(stream)
        return [(stream, _text(entry_id), log.entries[entry_id]) for entry_id in log.after(start)]

    async def last_id(self, stream: Stream) -> str:
        return _text(max(self._log(stream).entries, default=BEGINNING))

    async def commit(self, commit: Commit) -> CommitResult:
        # the script's order: nothing is written before every check has passed
        if self._is_stale(commit.state, commit.lease):
            return CommitResult.STALE
        acknowledged = [self._acknowledge(token) for token in commit.tokens]
        if commit.tokens and not any(acknowledged):
            return CommitResult.DONE
        for stream, message in commit.outputs:
            self.add_raw(stream, to_wire(message))
        for stream, before in commit.trim_before.items():
            self.trim(stream, before)
        if commit.state:
            self._change(commit.state)
        return CommitResult.COMMITTED

    def _is_stale(self, state: StateChange | None, lease: Lease | None) -> bool:
        version = self._states.get(state.name, (0, {}))[0] if state else 0
        return bool(state and version != state.expected_version) or bool(lease and not self._holds(lease))

    def _acknowledge(self, token: Token) -> bool:
        self._errors.pop(token, None)
        return self._group(token.stream, token.group).pending.pop(_id(token.entry_id), None) is not None

    def _change(self, change: StateChange) -> None:
        version, fields = self._states.get(change.name, (0, {}))
        kept = {name: value for name, value in fields.items() if name not in change.fields}
        kept |= {name: value for name, value in change.fields.items() if value is not None}
        self._states[change.name] = version + 1, kept

    async def commit_all(self, commits: Sequence[Commit]) -> list[CommitResult]:
        return [await self.commit(commit) for commit in commits]

    async def load_state(self, name: str) -> ServiceState:
        version, fields = self._states.get(name, (0, {}))
        return ServiceState(version, dict(fields))

    def _holds(self, lease: Lease) -> bool:
        owner, until = self._leases.get(lease.name, ("", 0.0))
        return owner == lease.owner and time.monotonic() < until

    async def acquire(self, lease: Lease, *, ttl_ms: int) -> bool:
        owner, until = self._leases.get(lease.name, ("", 0.0))
        if owner != lease.owner and time.monotonic() < until:
            return False
        self._leases[lease.name] = lease.owner, time.monotonic() + ttl_ms / 1_000
        return True

    async def renew(self, lease: Lease, *, ttl_ms: int) -> bool:
        return self._holds(lease) and await self.acquire(lease, ttl_ms=ttl_ms)

    async def release(self, lease: Lease) -> None:
        if self._holds(lease):
            del self._leases[lease.name]

    async def fail(self, delivery: Delivery, error: str) -> None:
        self._errors[delivery.token] = error[:4_000]

    async def put_aside(self, delivery: Delivery, error: str) -> None:
        self._put_aside(delivery.token, error, delivery.tries)

    async def dead_letters(self) -> list[DeadLetter]:
        return list(self._dead.values())

    async def put_back(self, dead_id: str) -> bool:
        letter = self._dead.pop(dead_id, None)
        if letter is not None:
            self.add_raw(letter.stream, letter.payload)
        return letter is not None

    async def backlog(self, stream: Stream, group: str) -> Backlog:
        log = self._log(stream)
        held = log.groups.get(group)
        if held is None:
            return Backlog(len(log.entries), len(log.entries), 0, 0, 0)
        age = _now_ms() - min(held.pending)[0] if held.pending else 0
        undelivered = len(log.after(held.last))
        return Backlog(len(log.entries), undelivered, len(held.pending), max(0, age), held.trimmed)

    async def rolled_back(self, stream: Stream, entry_id: str) -> bool:
        return False  # nothing here is replicated

    async def server_id(self) -> str:
        return "memory"

    async def trim_read(self, stream: Stream, *, readers: Sequence[str] = ()) -> int:
        groups = self._log(stream).groups
        if not groups or not set(readers) <= set(groups):
            return 0
        bounds = [min(held.pending) if held.pending else (held.last[0], held.last[1] + 1) for held in groups.values()]
        return self.trim(stream, _text(min(bounds)))

    async def close(self) -> None:
        """Nothing to close."""


async def _wait(changed: asyncio.Event, until: float) -> bool:
    """Wait for *changed*; return False when the time is up."""
    left = until - time.monotonic()
    if left <= 0:
        return False
    try:
        async with asyncio.timeout(left):
            await changed.wait()
    except TimeoutError:
        return False
    return True


def _id(text: str) -> EntryId:
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)


def _text(entry_id: EntryId) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
