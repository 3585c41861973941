"""The scans that this process sent last: a failover of the bus may take them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.fetcher.domain.window import EARLIER
from services.fetcher.scan.leader_state import NAME
from shared.bus import Bus
from shared.contracts import ScanOpened, Stream


@dataclass
class SentScan:
    """One scan, and the entries on the bus of some of its snapshots: the last of each batch."""

    opened: ScanOpened
    entry_ids: tuple[str, ...] = ()

    async def lacks_snapshots(self, bus: Bus) -> bool:
        """Return whether *bus* has gone back to before one of its snapshots."""
        for entry_id in self.entry_ids:
            if await bus.rolled_back(Stream.SNAPSHOTS, entry_id):
                return True
        return False


@dataclass(frozen=True)
class TakenBack:
    """The scans that the bus lacks, oldest first."""

    incomplete: tuple[ScanOpened, ...] = ()  #: their snapshots alone
    unopened: tuple[ScanOpened, ...] = ()  #: all of them


class SentScans:
    """The newest scans, oldest first, as many as the windows can still be cut at; it outlives a lost lease."""

    def __init__(self) -> None:
        self._scans: dict[int, SentScan] = {}
        self._server = ""  #: the bus's, when it last had them all

    def opened(self, opened: ScanOpened) -> None:
        """Keep *opened*, which is on the bus now."""
        self._scans[opened.scan_id] = SentScan(opened)
        self._scans = dict(sorted(self._scans.items())[-EARLIER:])

    def published(self, scan_id: int, entry_ids: Sequence[str]) -> None:
        """Note that the snapshots of *scan_id* are on the bus, the last of each batch as one of *entry_ids*."""
        if scan_id in self._scans:
            self._scans[scan_id].entry_ids = tuple(entry_ids)

    async def taken_back(self, bus: Bus) -> TakenBack:
        """Return what *bus* lacks, where its server is another one than before or has started again.

        An emptied bus lacks nothing: it is filled from Postgres.
        """
        server = await bus.server_id()
        if server == self._server:
            return TakenBack()
        state = await bus.load_state(NAME)
        if not state.version:
            self._scans.clear()
        newest = int(state.fields.get("scan", b"0"))
        held = [scan for at, scan in self._scans.items() if at <= newest]
        incomplete = tuple([scan.opened for scan in held if await scan.lacks_snapshots(bus)])
        unopened = tuple(scan.opened for at, scan in self._scans.items() if at > newest)
        if not incomplete and not unopened:
            self._server = server
        return TakenBack(incomplete, unopened)
