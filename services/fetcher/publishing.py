"""A scan said on the bus, once: its opening under the lease, then its snapshots, noted in the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from services.fetcher import handler
from services.fetcher.journal import Journal
from services.fetcher.market import Market
from services.fetcher.sentiment import FearAndGreed
from shared.bus import Bus, Lease
from shared.contracts import SCAN_MS, ScanOpened, Stream
from shared.service import Service

PUBLISHED_AT_ONCE: Final = 16


class Publishing:
    """Says what is held, as the lease's holder."""

    def __init__(
        self, service: Service, bus: Bus, lease: Lease, *, market: Market, journal: Journal, sentiment: FearAndGreed
    ) -> None:
        self._service, self._bus, self._lease = service, bus, lease
        self._market, self._clock = market, market.clock
        self._journal = journal
        self._sentiment = sentiment

    @property
    def opened(self) -> int:
        """The newest scan that was opened, by whomever."""
        return self._journal.number("scan")

    async def finish(self) -> None:
        """Say again what an earlier holder may not have finished saying."""
        if self._journal.number("published") < self.opened:
            symbols = msgspec.msgpack.decode(self._journal.fields.get("symbols", b"\x90"), type=list[str])
            await self._snapshots(self.opened, [symbol for symbol in symbols if symbol in self._market.coins])

    async def open(self, close: int) -> ScanOpened | None:
        """Open the scan of *close* and publish its snapshots; None where somebody else has."""
        opened = handler.open_scan(
            self._market.coins,
            self._market.selection.symbols,
            close,
            settings_version=self._service.settings.version,
            now=self._clock.now(),
            degraded="" if self._clock.known else "clock",
        )
        if not await self._opening(opened):
            return None
        await self._snapshots(close, opened.symbols)
        return opened

    async def _opening(self, opened: ScanOpened) -> bool:
        """Commit the opening; return whether its snapshots are to be published by this process."""
        close, journal = opened.scan_id, self._journal
        fields: dict[str, bytes | None] = {
            "scan": str(close).encode(),
            "symbols": msgspec.msgpack.encode(list(opened.symbols)),
        }
        said = await journal.commit(fields, [(Stream.SCANS, opened)], said=lambda: journal.number("scan") >= close)
        return said or journal.number("published") < close

    async def _snapshots(self, scan_id: int, symbols: Sequence[str]) -> None:
        """Publish the snapshots of *symbols* and note that it was done."""
        bitcoin = handler.bitcoin_bars(self._market.coins, scan_id)
        depth_ms = handler.DEPTH_MS if self._clock.speed <= 1 else SCAN_MS
        first = ""
        for start in range(0, len(symbols), PUBLISHED_AT_ONCE):
            batch = [
                handler.snapshot(
                    self._market.coins[symbol],
                    bitcoin,
                    scan_id,
                    settings_version=self._service.settings.version,
                    sentiment=self._sentiment.newest,
                    depth_ms=depth_ms,
                )
                for symbol in symbols[start : start + PUBLISHED_AT_ONCE]
            ]
            # the gatekeeper trims behind what it has settled; the bus bounds the rest
            ids = await self._bus.publish(Stream.SNAPSHOTS, batch, lease=self._lease)
            first = first or ids[0]
        fields: dict[str, bytes | None] = {"published": str(scan_id).encode()}
        if first:
            fields["first"] = first.encode()
        await self._journal.commit(fields)
