"""The bus's protocol and its types; `RedisBus` and `MemoryBus` pass one behaviour suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from shared.bus.reports import ServiceReport
from shared.bus.wire import PackedSnapshot
from shared.contracts import DAY_MS, Message, SettingsEvent, Stream

MAX_TRIES: Final = 5  #: deliveries of one message before it becomes a dead letter
SUSPECT_TRIES: Final = 3  #: from this delivery on a message is claimed alone: it may have killed its consumers
MAX_RESTARTS: Final = (
    20  #: as MAX_TRIES, for a restarted consumer's own pending messages: most kills are not their fault
)
BLOCK_MS: Final = 2_000  #: longest blocking read; the socket's timeout is well above it


SettingsKind = TypeVar("SettingsKind", bound=SettingsEvent)


@dataclass(frozen=True)
class Retention:
    """How much of a stream is kept, apart from its makers' own trimming."""

    at_most: int  #: entries, unconditionally
    milliseconds: int | None = None  #: age by the wall clock
    until_read: bool = False  #: trimmed only behind every group's oldest pending entry


RETENTION: Final[dict[Stream, Retention]] = {
    Stream.SNAPSHOTS: Retention(at_most=2_400),
    Stream.TICKS: Retention(at_most=20_000, milliseconds=120_000),
    Stream.SCANS: Retention(at_most=20_000, milliseconds=DAY_MS),
    Stream.ANALYSES: Retention(at_most=2_400),
    Stream.DECISIONS: Retention(at_most=3_000),
    Stream.DECISIONS_PASSED: Retention(at_most=5_000),
    Stream.ALERTS: Retention(at_most=200_000, until_read=True),
    Stream.DELIVERIES: Retention(at_most=400_000, until_read=True),
    Stream.OUTCOMES: Retention(at_most=200_000, until_read=True),
    Stream.SETTINGS: Retention(at_most=256),
}


class LeaseLost(Exception):  # noqa: N818 - a state of affairs, not an error
    """Another process holds the lease now: stop and stand by."""


class CommitResult(StrEnum):
    COMMITTED = "committed"
    DONE = "done"  #: another process had committed this message; nothing was written
    STALE = "stale"  #: the state or the lease has moved on; nothing was written


@dataclass(frozen=True)
class Token:
    """The right to commit one message: its pending entry."""

    stream: Stream
    group: str
    entry_id: str

    @property
    def sent_at(self) -> int:
        """When the bus received the message, wall clock, ms."""
        return int(self.entry_id.split("-")[0])


@dataclass(frozen=True)
class Delivery:
    """A message delivered to one consumer."""

    token: Token
    message: Message
    tries: int = 1

    @property
    def sent_at(self) -> int:
        """When the bus received it, wall clock, ms."""
        return self.token.sent_at


@dataclass(frozen=True)
class Lease:
    """The exclusive right to be the active one of a service."""

    name: str
    owner: str


@dataclass(frozen=True)
class ServiceState:
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
    """The results of some messages, written all at once or not at all."""

    tokens: Sequence[Token] = ()
    outputs: Sequence[tuple[Stream, Message]] = ()
    state: StateChange | None = None
    lease: Lease | None = None
    trim_before: Mapping[Stream, str] = field(default_factory=dict)  #: entries older than this id may go


@dataclass(frozen=True)
class DeadLetter:
    """A message that its handler could not process, with the error."""

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


class Reports(Protocol):
    """What each running process says of itself."""

    async def put(self, report: ServiceReport) -> None: ...
    async def take_back(self, instance: str) -> None: ...
    async def all(self) -> list[ServiceReport]: ...


class Bus(Protocol):
    """The bus as the services use it; `RedisBus` and `MemoryBus` pass one behaviour suite."""

    market: str

    @property
    def reports(self) -> Reports: ...

    async def ensure_group(self, stream: Stream, group: str) -> None: ...
    async def publish(
        self, stream: Stream, messages: Sequence[Message | PackedSnapshot], *, lease: Lease | None = None
    ) -> list[str]: ...
    async def publish_settings(self, event: SettingsEvent) -> str: ...
    async def newest_settings(self) -> list[SettingsEvent]: ...
    async def newest_setting(self, kind: type[SettingsKind]) -> SettingsKind | None: ...
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
    async def entries(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = BLOCK_MS
    ) -> list[tuple[Stream, str, bytes]]: ...
    async def last_id(self, stream: Stream) -> str: ...
    async def commit(self, commit: Commit) -> CommitResult: ...
    async def commit_all(self, commits: Sequence[Commit]) -> list[CommitResult]: ...
    async def load_state(self, name: str) -> ServiceState: ...
    async def acquire(self, lease: Lease, *, ttl_ms: int) -> bool: ...
    async def renew(self, lease: Lease, *, ttl_ms: int) -> bool: ...
    async def release(self, lease: Lease) -> None: ...
    async def fail(self, delivery: Delivery, error: str) -> None: ...
    async def put_aside(self, delivery: Delivery, error: str) -> None: ...
    async def dead_letters(self) -> list[DeadLetter]: ...
    async def put_back(self, dead_id: str) -> bool: ...
    async def backlog(self, stream: Stream, group: str) -> Backlog: ...
    async def rolled_back(self, stream: Stream, entry_id: str) -> bool: ...
    async def trim_read(self, stream: Stream, *, readers: Sequence[str] = ()) -> int: ...
    async def server_id(self) -> str: ...
    async def close(self) -> None: ...
