"""The newest of everything, in memory: the page's snapshot."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from services.api import views
from services.api.store.inserts import ENDS
from services.api.views.facts import Json, as_json
from shared.bus.wire import UNREADABLE, PackedSnapshot
from shared.contracts import (
    SCAN_MS,
    Alert,
    Decision,
    DeliveryReport,
    LifecycleBody,
    MarketSnapshot,
    Message,
    PriceTick,
    ScanOpened,
    ScanSettled,
)

SIGNALS_KEPT: Final = 300
SCAN: Final[Json] = {  #: a scan of which nothing is known yet
    "opened_at": None,
    "settings_version": None,
    "symbols": 0,
    "degraded": "",
    "not_opened": {},
    "settled_at": None,
    "analysed": 0,
    "passed": 0,
    "alerts": 0,
    "missing": [],
    "at_deadline": False,
    "seconds": None,
}


class Board:
    """Newest snapshot, decision and price of each symbol, newest scans, signals, alerts and deliveries."""

    def __init__(self) -> None:
        self.decisions: dict[str, Decision] = {}
        self._snapshots: dict[str, PackedSnapshot] = {}
        self.scans: dict[int, Json] = {}
        self.signals: dict[str, Json] = {}
        self.alerts: deque[Json] = deque(maxlen=200)
        self.deliveries: deque[Json] = deque(maxlen=200)
        self.tick: PriceTick | None = None
        self.seen: dict[str, float] = {}  #: stream -> wall clock of the newest message, seconds

    def take(self, message: Message | PackedSnapshot) -> list[tuple[str, Any]]:
        """Keep *message*; return its events for the listeners."""
        match message:
            case PriceTick():
                self.tick = message
                return [("prices", {"at": message.at, "prices": message.prices, "labels": self.labels()})]
            case PackedSnapshot():
                self._snapshot(message)
            case ScanOpened() | ScanSettled():
                return [("scan", self._scan(message))]
            case Decision():
                return self._decision(message)
            case Alert():
                self.alerts.append(views.alerts.alert(message))
                return [("alert", self.alerts[-1]), *(("signal", signal) for signal in self._signals(message))]
            case DeliveryReport():
                self.deliveries.append(as_json(message))
                return [("delivery", self.deliveries[-1])]
        return []

    def snapshot(self, symbol: str) -> MarketSnapshot | None:
        """Return the newest snapshot of *symbol*, None where there is none or it cannot be read."""
        try:
            return self._snapshots[symbol].read()
        except (KeyError, *UNREADABLE):
            return None

    def _snapshot(self, snapshot: PackedSnapshot) -> None:
        held = self._snapshots.get(snapshot.symbol)
        if held is None or held.scan_id < snapshot.scan_id:
            self._snapshots[snapshot.symbol] = snapshot
            if held is None or snapshot.scan_id - held.scan_id > SCAN_MS:
                self._forget_snapshots(snapshot.scan_id - 2 * SCAN_MS)

    def _forget_snapshots(self, oldest: int) -> None:
        for symbol in [name for name, held in self._snapshots.items() if held.scan_id < oldest]:
            del self._snapshots[symbol]

    def _scan(self, event: ScanOpened | ScanSettled) -> Json:
        scan = self.scans.setdefault(event.scan_id, {"scan_id": event.scan_id, **SCAN})
        if isinstance(event, ScanOpened):
            scan |= {
                "opened_at": event.opened_at,
                "symbols": len(event.symbols),
                "degraded": event.degraded,
                "not_opened": dict(event.missing),
                "settings_version": event.settings_version,
            }
        else:
            scan |= as_json(event)
        self.scans = {item["scan_id"]: item for item in newest_scans(self.scans.values(), settled=50, opened=50)}
        return scan

    def _decision(self, decision: Decision) -> list[tuple[str, Any]]:
        symbol = decision.analysis.symbol
        held = self.decisions.get(symbol)
        if held is not None and held.analysis.scan_id >= decision.analysis.scan_id:
            return []
        self.decisions[symbol] = decision
        return [("card", self.card(symbol))]

    def _signals(self, alert: Alert) -> list[Json]:
        """Open or change the signals that *alert* is about; return them."""
        opened = views.alerts.signals(alert)
        changed = [self.signals.setdefault(signal["signal_id"], signal) for signal in opened]
        body = alert.body
        if isinstance(body, LifecycleBody) and (signal := self.signals.get(body.signal_id)) is not None:
            _live_on(signal, body, alert.occurred_at)
            changed.append(signal)
        self._forget_signals()
        return changed

    def _forget_signals(self) -> None:
        if len(self.signals) > SIGNALS_KEPT:
            ended = [key for key, signal in self.signals.items() if signal["status"] != "open"]
            for key in (ended or list(self.signals))[: len(self.signals) - SIGNALS_KEPT]:
                del self.signals[key]

    @property
    def newest_scan(self) -> int:
        """The id of the newest scan that was decided about, 0 without one."""
        return max((decision.analysis.scan_id for decision in self.decisions.values()), default=0)

    @property
    def exchange_time(self) -> int | None:
        """The exchange's clock as of the newest price, UNIX ms."""
        return self.tick.at if self.tick else None

    def open_signals(self) -> dict[str, Json]:
        """Return the newest open signal of each symbol."""
        opened = (signal for signal in self.signals.values() if signal["status"] == "open")
        return {signal["symbol"]: signal for signal in sorted(opened, key=lambda signal: signal["scan_id"])}

    def labels(self) -> dict[str, str]:
        """Return the live label of every open signal that has one, by symbol."""
        prices = self.tick.prices if self.tick else {}
        opened = self.open_signals()
        labels = {name: views.live_label.live_label(opened[name], prices[name]) for name in opened.keys() & prices}
        return {name: label for name, label in labels.items() if label}

    def card(self, symbol: str, opened: dict[str, Json] | None = None) -> Json:
        """Return the card of *symbol*, which has been decided about."""
        signal = (self.open_signals() if opened is None else opened).get(symbol)
        price = self.tick.prices.get(symbol) if self.tick else None
        at = self.tick.at if self.tick else 0
        return views.cards.card(self.decisions[symbol], signal=signal, price=price, price_at=at)

    def cards(self) -> list[Json]:
        """Return the newest scan's cards, best first; a coin of the scan before waits for its turn."""
        opened = self.open_signals()
        return [self.card(decision.analysis.symbol, opened) for decision in sorted(self.fresh(), key=views.cards.rank)]

    def top(self) -> Json | None:
        """Return the best coin's card, None before the first scan."""
        best = min(self.fresh(), key=views.cards.rank, default=None)
        return self.card(best.analysis.symbol) if best is not None else None

    def fresh(self) -> list[Decision]:
        """Return the decisions of the newest scan and of the one before it."""
        oldest = self.newest_scan - SCAN_MS
        return [held for held in self.decisions.values() if held.analysis.scan_id >= oldest]

    def last_scan(self) -> Json | None:
        """Return the newest scan that has settled."""
        return next(iter(newest_scans(self.scans.values(), settled=1, opened=0)), None)

    def open_scan(self) -> Json | None:
        """Return the newest scan that has not settled."""
        return next(iter(newest_scans(self.scans.values(), settled=0, opened=1)), None)


def _live_on(signal: Json, body: LifecycleBody, at: int) -> None:
    """Change *signal* by *body*; nothing changes an end."""
    signal |= {"best_r": max(signal["best_r"], body.best_r), "worst_r": min(signal["worst_r"], body.worst_r)}
    if body.event not in ENDS:
        signal["label"] = body.event
    elif body.early:
        signal["announced"] = body.event
    elif signal["status"] == "open":
        signal |= {
            "status": body.event,
            "closed_at": at,
            "close_price": body.price,
            "close_reason": body.reason,
            "result_r": body.result_r,
        }


def newest_scans(scans: Iterable[Json], *, settled: int, opened: int) -> list[Json]:
    """Return the newest scans that are settled and the newest that are not: many may wait behind a slow stage."""
    newest = sorted(scans, key=lambda scan: -scan["scan_id"])
    ended = [scan for scan in newest if scan["settled_at"] is not None]
    return [scan for scan in newest if scan["settled_at"] is None][:opened] + ended[:settled]
