"""The evaluator's uncommitted messages: a settled scan waits until all of its decisions are here."""

from __future__ import annotations

from dataclasses import dataclass

from shared.bus import Delivery
from shared.contracts import Decision, ScanSettled
from shared.runtime.stage.inbox import Inbox, PendingScan


@dataclass
class DecidedScan(PendingScan[Decision]):
    """One uncommitted scan: its settling, and its decisions by symbol."""

    settled: ScanSettled | None = None

    @property
    def complete(self) -> bool:
        """Whether every decision of the settled scan is here."""
        return self.settled is not None and len(self.by_symbol) >= self.settled.symbols - len(self.settled.missing)

    def give_up(self, symbol: str) -> Delivery:
        """Go on without the decision on *symbol*; return its message."""
        delivery, _ = self.by_symbol.pop(symbol)
        self.deliveries.remove(delivery)
        return delivery


class DecisionInbox(Inbox[DecidedScan]):
    """The unacknowledged decisions by scan."""

    def _begun(self, scan_id: int) -> DecidedScan:
        return DecidedScan(scan_id)

    def _sort(self, delivery: Delivery, settled_scan: int) -> None:
        """Put a scan's messages together; what belongs to a scan that was committed says nothing new."""
        match delivery.message:
            case Decision(outcome="late"):
                self.done.append(delivery.token)
            case Decision() as decision if decision.analysis.scan_id > settled_scan:
                scan = self._scan(decision.analysis.scan_id, delivery)
                scan.by_symbol.setdefault(decision.analysis.symbol, (delivery, decision))
            case ScanSettled() as settled if settled.scan_id > settled_scan:
                self._scan(settled.scan_id, delivery).settled = settled
            case _:
                self.done.append(delivery.token)

    def ready(self, *, idle: bool) -> DecidedScan | None:
        """Return the oldest scan if it can be taken: it is complete, or no more of it will come.

        A scan is settled in one commit: where the bus is *idle*, or all of a later scan has come, missing
        decisions were trimmed unread.
        """
        scan = self.oldest()
        if scan is None:
            return None
        whole = scan.complete or self.overtaken(scan) or (idle and scan.settled is not None)
        return scan if whole else None
