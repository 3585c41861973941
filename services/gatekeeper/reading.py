"""Reading under the lease: what is new, whether that is all, and whether somebody else has read meanwhile."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Final

from services.gatekeeper.memory import NAME, MovedError
from shared import metrics
from shared import service as base
from shared.bus import Bus, Delivery, Lease, LeaseLost
from shared.contracts import PriceTick, ScanOpened, Stream

CONSUMER: Final = "active"  #: one name, so that a new holder finds what the old one had pending
STREAMS: Final = (Stream.TICKS, Stream.SCANS, Stream.ANALYSES)
COUNT: Final = 512  #: messages of each stream in one read
BLOCK_MS: Final = 250
AUDIT_SECONDS: Final = 5.0


class Reader:
    """The active holder's eyes on the three streams."""

    def __init__(self, bus: Bus, lease: Lease, *, now: int) -> None:
        self._bus, self._lease = bus, lease
        self._checked = 0.0
        self._audited = time.monotonic()
        self.caught_up = False  #: the last read brought all there was
        self.ticks_caught_up = False
        self.heard = now  #: when the bus last got something of the market, wall clock

    async def begin(self) -> None:
        """Make sure that the lease is held; nothing is known of the streams yet."""
        await self._still_ours()
        self.caught_up = self.ticks_caught_up = False

    async def pending(self) -> list[Delivery]:
        """Return what was read and never committed, by whoever held the lease."""
        return await self._bus.pending(NAME, CONSUMER, STREAMS)

    async def read(self, known: Collection[tuple[Stream, str]]) -> list[Delivery]:
        """Return what is new; *known* names the messages that were read and are not committed."""
        if time.monotonic() - self._checked > base.LEASE_MS / 6_000:
            await self._still_ours()
        if time.monotonic() - self._audited > AUDIT_SECONDS:
            await self._audit(known)
        deliveries = await self._bus.read(NAME, CONSUMER, STREAMS, count=COUNT, block_ms=BLOCK_MS)
        self._note(deliveries)
        return deliveries

    async def _still_ours(self) -> None:
        """Raise `LeaseLost` when somebody else holds the lease: a paused process must not read on."""
        if not await self._bus.renew(self._lease, ttl_ms=base.LEASE_MS):
            raise LeaseLost(self._lease.name)
        self._checked = time.monotonic()

    async def _audit(self, known: Collection[tuple[Stream, str]]) -> None:
        """Raise `MovedError` when more is pending than is known here: a paused predecessor read it."""
        self._audited = time.monotonic()
        for stream in STREAMS:
            backlog = await self._bus.backlog(stream, NAME)
            metrics.LAG.labels(stream, NAME).set(backlog.undelivered)
            metrics.OLDEST_PENDING.labels(stream, NAME).set(backlog.oldest_pending_ms / 1_000)
            if backlog.pending > sum(name is stream for name, _ in known):
                raise MovedError

    def _note(self, deliveries: Sequence[Delivery]) -> None:
        full = {stream for stream in STREAMS if sum(d.token.stream is stream for d in deliveries) >= COUNT}
        self.caught_up = not full
        self.ticks_caught_up = Stream.TICKS not in full
        heard = [d.sent_at for d in deliveries if isinstance(d.message, PriceTick | ScanOpened)]
        self.heard = max([self.heard, *heard])
