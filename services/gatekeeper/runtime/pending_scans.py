"""The gatekeeper's uncommitted messages: a scan settles when all its analyses are here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.bus import Delivery, Token
from shared.bus.replies import order
from shared.contracts import Analysis, PriceTick, ScanOpened
from shared.runtime.stage.inbox import Inbox, PendingScan


@dataclass
class AnalysedScan(PendingScan[Analysis]):
    """One unsettled scan: its opening, and its analyses by symbol."""

    opened: ScanOpened | None = None
    opened_wall: int = 0  #: when the bus received the first `ScanOpened`, or an analysis before it; ms
    entry_id: str = ""
    failed: set[str] = field(default_factory=set)  #: symbols whose analysis crashed its handler and is a dead letter

    @property
    def complete(self) -> bool:
        """Whether every expected analysis has come or will never come."""
        known = self.by_symbol.keys() | self.failed
        return self.opened is not None and known.issuperset(self.opened.symbols)

    def openings(self) -> list[Delivery]:
        """Return the messages that opened the scan."""
        return [delivery for delivery in self.deliveries if isinstance(delivery.message, ScanOpened)]

    def give_up(self, delivery: Delivery) -> None:
        """Go on without *delivery*, which is a dead letter."""
        self.deliveries.remove(delivery)
        match delivery.message:
            case Analysis(symbol=symbol):
                del self.by_symbol[symbol]
                self.failed.add(symbol)
            case _:
                self.opened = None


class AnalysisInbox(Inbox[AnalysedScan]):
    """The unacknowledged ticks, and the analyses by scan."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks: list[tuple[Delivery, PriceTick]] = []
        self.late: list[tuple[Delivery, Analysis]] = []

    def _begun(self, scan_id: int) -> AnalysedScan:
        return AnalysedScan(scan_id)

    def _sort(self, delivery: Delivery, settled_scan: int) -> None:
        """Put ticks and a scan's messages apart; what belongs to a settled scan is late or done."""
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

    def _open(self, delivery: Delivery, opened: ScanOpened) -> None:
        """Keep the newest `ScanOpened` of a scan (a restarted fetcher sends it again), and the first one's time."""
        held = self._scan(opened.scan_id, delivery)
        if held.opened is None or order(delivery.token.entry_id) > order(held.entry_id):
            held.opened = opened
        if not held.entry_id or order(delivery.token.entry_id) < order(held.entry_id):
            held.entry_id, held.opened_wall = delivery.token.entry_id, delivery.sent_at

    def _add(self, delivery: Delivery, analysis: Analysis) -> None:
        """Keep a symbol's first analysis in the stream's order, in any order of reading."""
        held = self._scan(analysis.scan_id, delivery)
        known = held.by_symbol.get(analysis.symbol)
        if known is None or order(delivery.token.entry_id) < order(known[0].token.entry_id):
            held.by_symbol[analysis.symbol] = (delivery, analysis)
        if not held.opened_wall:
            held.opened_wall = delivery.sent_at

    def forget(self, tokens: Iterable[Token], scan_id: int | None = None) -> None:
        """Drop what was committed."""
        super().forget(tokens, scan_id)
        self.ticks = [held for held in self.ticks if self.holds(held[0])]
        self.late = [held for held in self.late if self.holds(held[0])]

    def expire(self, scan_id: int) -> None:
        """Turn the analyses of a scan that never opened into late ones."""
        held = self.scans.pop(scan_id)
        late = list(held.by_symbol.values())
        self.late += late
        self.done += [delivery.token for delivery in held.deliveries if delivery not in [one for one, _ in late]]
