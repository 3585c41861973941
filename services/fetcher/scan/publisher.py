"""A scan published once: its opening under the lease, then its snapshots, noted in the leader's state.

What a failover of the bus takes back is published again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from services.fetcher.domain import snapshot as handler
from services.fetcher.domain.market_state import Market
from services.fetcher.exchange import Exchange
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.scan.leader_state import SOURCE_FIELD, LeaderState
from services.fetcher.scan.packer import SnapshotPacker
from services.fetcher.scan.sent_scans import SentScans, TakenBack
from shared.bus import Bus, Lease
from shared.contracts import ScanOpened, Stream
from shared.runtime.service import Service

PUBLISHED_AT_ONCE: Final = 16

log = structlog.get_logger()


class RolledBackError(Exception):
    """The bus has gone back: earlier scans may be missing, and come first."""


class ScanPublisher:
    """Publishes what is held, while this process is the leader."""

    def __init__(
        self,
        service: Service,
        bus: Bus,
        lease: Lease,
        *,
        market: Market,
        clock: ExchangeClock,
        exchange: Exchange,
        state: LeaderState,
        packer: SnapshotPacker,
        sent: SentScans,
    ) -> None:
        self._service, self._bus, self._lease = service, bus, lease
        self._market, self._clock = market, clock
        self._exchange = exchange
        self._state = state
        self._packer = packer
        self._sent = sent
        self._one_at_a_time = asyncio.Lock()

    @property
    def opened(self) -> int:
        """The newest scan that was opened, by this process or an earlier one."""
        return self._state.number("scan")

    async def finish(self) -> None:
        """Publish again what an earlier leader may not have finished, and what a failover took back."""
        await self.put_back()
        if self._state.number("published") < self.opened:
            symbols = msgspec.msgpack.decode(self._state.fields.get("symbols", b"\x90"), type=list[str])
            await self._snapshots(self.opened, [symbol for symbol in symbols if symbol in self._market.coins])

    async def open(self, close: int) -> ScanOpened | None:
        """Open the scan of *close* and publish its snapshots; None where another process has."""
        opened = handler.open_scan(
            self._market.coins,
            self._market.selection.symbols,
            close,
            settings_version=self._service.settings.version,
            now=self._clock.now(),
            degraded="" if self._clock.known else "clock",
        )
        async with self._one_at_a_time:
            if not await self._open_in_order(opened):
                return None
            await self._snapshots(close, opened.symbols)
        return opened

    async def put_back(self) -> None:
        """Publish again the scans that a failover of the bus took back."""
        async with self._one_at_a_time:
            await self._put_back()

    async def _open_in_order(self, opened: ScanOpened) -> bool:
        """Commit the opening after all earlier ones; return whether its snapshots are to be published."""
        while True:
            rollbacks = self._state.rollbacks
            await self._put_back()
            try:
                return await self._opening(opened, rollbacks)
            except RolledBackError:
                continue

    async def _put_back(self) -> None:
        """Publish what the bus lacks until it lacks nothing."""
        while (gone := await self._sent.taken_back(self._bus)) != TakenBack():
            await self._state.load()
            try:
                for opened in gone.incomplete:
                    await self._again(opened)
                for opened in gone.unopened:
                    if await self._opening(opened, self._state.rollbacks):
                        await self._again(opened)
            except RolledBackError:
                continue

    async def _again(self, opened: ScanOpened) -> None:
        log.warning("a failover took a scan back; it is sent again", scan=opened.scan_id)
        await self._snapshots(opened.scan_id, [symbol for symbol in opened.symbols if symbol in self._market.coins])

    async def _opening(self, opened: ScanOpened, rollbacks: int) -> bool:
        """Commit the opening; return whether its snapshots are to be published by this process.

        Raises `RolledBackError` where the bus has gone back more than *rollbacks* times.
        """
        close, state = opened.scan_id, self._state

        def said() -> bool:
            if state.rollbacks > rollbacks:
                raise RolledBackError
            return state.number("scan") >= close

        fields: dict[str, bytes | None] = {
            "scan": str(close).encode(),
            "symbols": msgspec.msgpack.encode(list(opened.symbols)),
            SOURCE_FIELD: (self._exchange.source or self._bus.market).encode(),
        }
        if not await state.commit(fields, [(Stream.SCANS, opened)], said=said) and state.number("published") >= close:
            return False
        self._sent.opened(opened)
        return True

    async def _snapshots(self, scan_id: int, symbols: Sequence[str]) -> None:
        """Publish the snapshots of *symbols* and note that it was done."""
        entry_ids: list[str] = []  #: the last one of each batch
        first = ""
        for start in range(0, len(symbols), PUBLISHED_AT_ONCE):
            batch = [self._packer.pack(symbol, scan_id) for symbol in symbols[start : start + PUBLISHED_AT_ONCE]]
            # the gatekeeper trims up to the last settled scan; the bus bounds the rest
            ids = await self._bus.publish(Stream.SNAPSHOTS, batch, lease=self._lease)
            first = first or ids[0]
            entry_ids.append(ids[-1])
        self._packer.forget()
        self._sent.published(scan_id, entry_ids)
        newest = max(scan_id, self._state.number("published"))
        fields: dict[str, bytes | None] = {"published": str(newest).encode()}
        if first:
            fields["first"] = first.encode()
        await self._state.commit(fields)
