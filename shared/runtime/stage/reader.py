"""Reading under the lease: new messages, whether there are more, and whether another process has read meanwhile."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Final

from shared import metrics
from shared.bus import Bus, Delivery, Lease, LeaseLost
from shared.contracts import Stream
from shared.runtime import leader
from shared.runtime.stage.state_store import StaleStateError

CONSUMER: Final = "active"  #: one name, so that a new holder finds the old one's pending messages
COUNT: Final = 512  #: messages of each stream in one read
BLOCK_MS: Final = 250
AUDIT_SECONDS: Final = 5.0


class StageReader:
    """The lease holder's reader of its streams; the lease's name is the group's."""

    def __init__(self, bus: Bus, lease: Lease, streams: Sequence[Stream]) -> None:
        self._bus, self._lease, self._streams = bus, lease, streams
        self._checked = self._audited = 0.0
        self.behind = frozenset(streams)  #: the streams that may have more messages than the last read returned

    async def begin(self) -> None:
        """Check that the lease is held, and forget what was known of the streams."""
        await self._still_ours()
        self.behind = frozenset(self._streams)

    async def pending(self) -> list[Delivery]:
        """Return the uncommitted messages of any earlier holder."""
        self._audited = time.monotonic()
        return await self._bus.pending(self._lease.name, CONSUMER, self._streams)

    async def read(self, known: Collection[tuple[Stream, str]]) -> list[Delivery]:
        """Return new messages; *known* names those that were read and are not committed."""
        if time.monotonic() - self._checked > leader.LEASE_MS / 6_000:
            await self._still_ours()
        if time.monotonic() - self._audited > AUDIT_SECONDS:
            await self._audit(known)
        found = await self._bus.read(self._lease.name, CONSUMER, self._streams, count=COUNT, block_ms=BLOCK_MS)
        read = [delivery.token.stream for delivery in found]
        self.behind = frozenset(stream for stream in self._streams if read.count(stream) >= COUNT)
        return found

    async def _still_ours(self) -> None:
        """Raise `LeaseLost` when another process holds the lease: a paused process must not read on."""
        if not await self._bus.renew(self._lease, ttl_ms=leader.LEASE_MS):
            raise LeaseLost(self._lease.name)
        self._checked = time.monotonic()

    async def _audit(self, known: Collection[tuple[Stream, str]]) -> None:
        """Raise `StaleStateError` when more is pending than is known here: a paused predecessor has read it."""
        self._audited = time.monotonic()
        for stream in self._streams:
            backlog = await self._bus.backlog(stream, self._lease.name)
            metrics.LAG.labels(stream, self._lease.name).set(backlog.undelivered)
            metrics.OLDEST_PENDING.labels(stream, self._lease.name).set(backlog.oldest_pending_ms / 1_000)
            if backlog.pending > sum(name is stream for name, _ in known):
                raise StaleStateError
