"""The gatekeeper's reader, which notes when the market's last message came."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from shared.bus import Bus, Delivery, Lease
from shared.contracts import PriceTick, ScanOpened, Stream
from shared.runtime.stage.reader import StageReader

STREAMS: Final = (Stream.TICKS, Stream.SCANS, Stream.ANALYSES)


class MarketReader(StageReader):
    """The active gatekeeper's reader of ticks, scans and analyses."""

    def __init__(self, bus: Bus, lease: Lease, *, now: int) -> None:
        super().__init__(bus, lease, STREAMS)
        self.heard = now  #: when the bus last received a tick or a scan, wall clock, ms

    async def read(self, known: Collection[tuple[Stream, str]]) -> list[Delivery]:
        """Return new messages, and note when the market's last one came."""
        found = await super().read(known)
        self.heard = max([self.heard, *(d.sent_at for d in found if isinstance(d.message, PriceTick | ScanOpened))])
        return found
