"""A stage's uncommitted messages by scan; repeated messages and any order of arrival make no difference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.bus import Delivery, Token
from shared.contracts import Message, Stream

Fact = TypeVar("Fact", bound=Message)


@dataclass
class PendingScan(ABC, Generic[Fact]):
    """One uncommitted scan, with its messages."""

    scan_id: int
    by_symbol: dict[str, tuple[Delivery, Fact]] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)  #: repeated ones included

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether every expected message has come or will never come."""

    @property
    def tokens(self) -> list[Token]:
        """The messages to acknowledge when the scan is committed."""
        return [delivery.token for delivery in self.deliveries]

    def facts(self) -> dict[str, Fact]:
        """Return the newest message of each symbol."""
        return {symbol: fact for symbol, (_, fact) in self.by_symbol.items()}


Scan = TypeVar("Scan", bound=PendingScan)  # type: ignore[type-arg]


class Inbox(ABC, Generic[Scan]):
    """The unacknowledged messages of a stage."""

    def __init__(self) -> None:
        self.scans: dict[int, Scan] = {}
        self.done: list[Token] = []  #: to be acknowledged with the next commit
        self.seen: set[tuple[Stream, str]] = set()  #: what was read and is not committed

    def take(self, deliveries: Iterable[Delivery], settled_scan: int) -> None:
        """Sort *deliveries* in, each once; *settled_scan* is the newest scan that was committed."""
        for delivery in deliveries:
            if _name(delivery.token) not in self.seen:
                self.seen.add(_name(delivery.token))
                self._sort(delivery, settled_scan)

    @abstractmethod
    def _sort(self, delivery: Delivery, settled_scan: int) -> None:
        """Put one message where it belongs."""

    @abstractmethod
    def _begun(self, scan_id: int) -> Scan:
        """Return a scan of which nothing is known."""

    def _scan(self, scan_id: int, delivery: Delivery) -> Scan:
        """Return the scan that *delivery* belongs to, and count it among its messages."""
        if scan_id not in self.scans:
            self.scans[scan_id] = self._begun(scan_id)
        self.scans[scan_id].deliveries.append(delivery)
        return self.scans[scan_id]

    def oldest(self) -> Scan | None:
        """Return the scan that has to be committed next."""
        return self.scans[min(self.scans)] if self.scans else None

    def overtaken(self, scan: Scan) -> bool:
        """Whether a later scan is complete, so that missing messages of *scan* will not come."""
        return any(later.complete for scan_id, later in self.scans.items() if scan_id > scan.scan_id)

    def holds(self, delivery: Delivery) -> bool:
        """Whether *delivery* was read and is not committed."""
        return _name(delivery.token) in self.seen

    def forget(self, tokens: Iterable[Token], scan_id: int | None = None) -> None:
        """Drop what was committed."""
        self.seen -= {_name(token) for token in tokens}
        self.done = [token for token in self.done if _name(token) in self.seen]
        if scan_id is not None:
            self.scans.pop(scan_id, None)


def _name(token: Token) -> tuple[Stream, str]:
    return token.stream, token.entry_id
