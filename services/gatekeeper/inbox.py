"""What the gatekeeper has read and not yet committed: the barrier between a scan's analyses and its settling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.bus import Delivery, Token
from shared.contracts import Analysis, PriceTick, ScanOpened, Stream


@dataclass
class Held:
    """One scan that is not settled: what is known of it and which messages told."""

    scan_id: int
    opened: ScanOpened | None = None
    opened_wall: int = 0  #: when the bus got the first `ScanOpened`, or the first analysis before it
    entry_id: str = ""
    analyses: dict[str, tuple[Delivery, Analysis]] = field(default_factory=dict)  #: by symbol
    failed: set[str] = field(default_factory=set)  #: symbols whose analysis crashed its handler and was put aside
    deliveries: list[Delivery] = field(default_factory=list)  #: doubles included

    @property
    def complete(self) -> bool:
        """Whether every expected analysis is here, or will never be."""
        known = self.analyses.keys() | self.failed
        return self.opened is not None and known.issuperset(self.opened.symbols)

    @property
    def tokens(self) -> list[Token]:
        """What is acknowledged when the scan settles."""
        return [delivery.token for delivery in self.deliveries]

    def facts(self) -> dict[str, Analysis]:
        """Return the analyses by symbol."""
        return {symbol: analysis for symbol, (_, analysis) in self.analyses.items()}

    def openings(self) -> list[Delivery]:
        """Return what told that the scan opened."""
        return [delivery for delivery in self.deliveries if isinstance(delivery.message, ScanOpened)]

    def give_up(self, delivery: Delivery) -> None:
        """Go on without *delivery*, which was put aside."""
        self.deliveries.remove(delivery)
        match delivery.message:
            case Analysis(symbol=symbol):
                del self.analyses[symbol]
                self.failed.add(symbol)
            case _:
                self.opened = None


class Inbox:
    """The unacknowledged messages, sorted by scan; doubles and any order of arrival make no difference."""

    def __init__(self) -> None:
        self.scans: dict[int, Held] = {}
        self.ticks: list[tuple[Delivery, PriceTick]] = []
        self.late: list[tuple[Delivery, Analysis]] = []
        self.done: list[Token] = []  #: to be acknowledged with the next commit
        self.seen: set[tuple[Stream, str]] = set()

    def take(self, deliveries: Iterable[Delivery], settled_scan: int) -> None:
        """Sort *deliveries* in; what belongs to a settled scan is late or done."""
        for delivery in deliveries:
            name = (delivery.token.stream, delivery.token.entry_id)
            if name not in self.seen:
                self.seen.add(name)
                self._sort(delivery, settled_scan)

    def _sort(self, delivery: Delivery, settled_scan: int) -> None:
        match delivery.message:
            case PriceTick() as tick:
                self.ticks.append((delivery, tick))
            case ScanOpened() as opened if opened.scan_id > settled_scan:
                self._open(delivery, opened)
            case Analysis() as analysis if analysis.scan_id > settled_scan:
                self._add(delivery, analysis)
            case Analysis() as analysis:
                self.late.append((delivery, analysis))
            case _:
                self.done.append(delivery.token)

    def _held(self, scan_id: int, delivery: Delivery) -> Held:
        held = self.scans.setdefault(scan_id, Held(scan_id))
        held.deliveries.append(delivery)
        return held

    def _open(self, delivery: Delivery, opened: ScanOpened) -> None:
        """Keep the newest `ScanOpened` of a scan (a restarted fetcher tells it again), but its first time."""
        held = self._held(opened.scan_id, delivery)
        if held.opened is None or _order(delivery.token.entry_id) > _order(held.entry_id):
            held.opened = opened
        if not held.entry_id or _order(delivery.token.entry_id) < _order(held.entry_id):
            held.entry_id, held.opened_wall = delivery.token.entry_id, delivery.sent_at

    def _add(self, delivery: Delivery, analysis: Analysis) -> None:
        """Keep the first analysis of a symbol, first in the stream's order whatever order it is read in."""
        held = self._held(analysis.scan_id, delivery)
        known = held.analyses.get(analysis.symbol)
        if known is None or _order(delivery.token.entry_id) < _order(known[0].token.entry_id):
            held.analyses[analysis.symbol] = (delivery, analysis)
        if not held.opened_wall:
            held.opened_wall = delivery.sent_at

    def oldest(self) -> Held | None:
        """Return the scan that has to be settled next."""
        return self.scans[min(self.scans)] if self.scans else None

    def forget(self, tokens: Iterable[Token], scan_id: int | None = None) -> None:
        """Drop what was committed."""
        gone = {(token.stream, token.entry_id) for token in tokens}
        self.seen -= gone
        self.done = [token for token in self.done if (token.stream, token.entry_id) not in gone]
        self.ticks = [held for held in self.ticks if (held[0].token.stream, held[0].token.entry_id) not in gone]
        self.late = [held for held in self.late if (held[0].token.stream, held[0].token.entry_id) not in gone]
        if scan_id is not None:
            self.scans.pop(scan_id, None)

    def expire(self, scan_id: int) -> None:
        """Turn the analyses of a scan that never opened into late ones."""
        held = self.scans.pop(scan_id)
        late = list(held.analyses.values())
        self.late += late
        self.done += [delivery.token for delivery in held.deliveries if delivery not in [one for one, _ in late]]


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
