"""The newest of everything in memory, and its changes as they come: what the live page shows."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import structlog
import zstandard
from redis.exceptions import RedisError

from services.api import present
from services.api.present import Json
from services.api.rows import ENDS
from shared import metrics
from shared.bus import Bus
from shared.contracts import (
    SCAN_MS,
    Alert,
    Decision,
    DeliveryReport,
    LifecycleBody,
    Message,
    PriceTick,
    ScanOpened,
    ScanSettled,
    Stream,
)
from shared.service import Service

STREAMS: Final = (
    *(Stream.SCANS, Stream.DECISIONS, Stream.DECISIONS_PASSED, Stream.ALERTS, Stream.DELIVERIES, Stream.TICKS),
)
SIGNALS_KEPT: Final = 300
QUEUE: Final = 500  #: events a slow reader may be behind before it is told to begin anew

log = structlog.get_logger()


class Board:
    """Newest decision of each symbol, newest scans, signals, alerts, deliveries and prices."""

    def __init__(self) -> None:
        self.decisions: dict[str, Decision] = {}
        self.scans: dict[int, Json] = {}
        self.signals: dict[str, Json] = {}
        self.alerts: deque[Json] = deque(maxlen=200)
        self.deliveries: deque[Json] = deque(maxlen=200)
        self.tick: PriceTick | None = None
        self.seen: dict[str, float] = {}  #: stream -> wall clock of the newest message, seconds

    def take(self, message: Message) -> tuple[str, Any] | None:
        """Keep *message*; return the event to show, None where there is nothing new in it."""
        match message:
            case PriceTick():
                self.tick = message
                return "prices", {"at": message.at, "prices": message.prices}
            case ScanOpened() | ScanSettled():
                return "scan", self._scan(message)
            case Decision():
                return self._decision(message)
            case Alert():
                self._signals(message)
                self.alerts.append(present.alert(message))
                return "alert", self.alerts[-1]
            case DeliveryReport():
                self.deliveries.append(present.as_json(message))
                return "delivery", self.deliveries[-1]
            case _:
                return None

    def _scan(self, event: ScanOpened | ScanSettled) -> Json:
        scan = self.scans.setdefault(event.scan_id, {"scan_id": event.scan_id, "settled_at": None})
        if isinstance(event, ScanOpened):
            scan |= {
                "opened_at": event.opened_at,
                "symbols": len(event.symbols),
                "degraded": event.degraded,
                "not_opened": len(event.missing),
                "settings_version": event.settings_version,
            }
        else:
            scan |= present.as_json(event)
        self.scans = {item["scan_id"]: item for item in newest_scans(self.scans.values(), settled=50, opened=50)}
        return scan

    def _decision(self, decision: Decision) -> tuple[str, Json] | None:
        held = self.decisions.get(decision.analysis.symbol)
        if held is not None and held.analysis.scan_id >= decision.analysis.scan_id:
            return None
        self.decisions[decision.analysis.symbol] = decision
        return "row", present.row(decision)

    def _signals(self, alert: Alert) -> None:
        for opened in present.signals(alert):
            self.signals.setdefault(opened["signal_id"], opened)
        body = alert.body
        if isinstance(body, LifecycleBody) and (signal := self.signals.get(body.signal_id)) is not None:
            signal |= {
                "best_r": max(signal["best_r"], body.best_r),
                "worst_r": min(signal["worst_r"], body.worst_r),
            }
            if body.event not in ENDS:
                signal["label"] = body.event
            elif body.early:
                signal["announced"] = body.event
            elif signal["status"] == "open":
                signal |= {
                    "status": body.event,
                    "closed_at": alert.occurred_at,
                    "close_price": body.price,
                    "result_r": body.result_r,
                }
        self._forget_signals()

    def _forget_signals(self) -> None:
        if len(self.signals) > SIGNALS_KEPT:
            ended = [key for key, signal in self.signals.items() if signal["status"] != "open"]
            for key in (ended or list(self.signals))[: len(self.signals) - SIGNALS_KEPT]:
                del self.signals[key]

    @property
    def newest_scan(self) -> int:
        """The id of the newest scan that was decided about, 0 without one."""
        return max((decision.analysis.scan_id for decision in self.decisions.values()), default=0)

    def rows(self) -> list[Json]:
        """Return the ranked table of the newest scan; a coin of the scan before waits for its turn."""
        oldest = self.newest_scan - SCAN_MS
        return present.rank([present.row(item) for item in self.decisions.values() if item.analysis.scan_id >= oldest])

    def whole(self) -> Json:
        """Return everything that a page needs to begin with."""
        return {
            "now": time.time_ns() // 1_000_000,
            "scans": newest_scans(self.scans.values(), settled=20, opened=3),
            "rows": self.rows(),
            "signals": sorted(self.signals.values(), key=lambda signal: -signal["scan_id"])[:100],
            "alerts": list(self.alerts)[-50:],
            "tick": {"at": self.tick.at, "prices": self.tick.prices} if self.tick else None,
        }


def newest_scans(scans: Iterable[Json], *, settled: int, opened: int) -> list[Json]:
    """Return the newest scans that are settled and the newest that are not: many may wait behind a slow stage."""
    newest = sorted(scans, key=lambda scan: -scan["scan_id"])
    ended = [scan for scan in newest if scan["settled_at"] is not None]
    return [scan for scan in newest if scan["settled_at"] is None][:opened] + ended[:settled]


class Broadcast:
    """Hands events to everybody who listens."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[bytes | None]] = set()

    def __len__(self) -> int:
        return len(self._listeners)

    def send(self, name: str, value: Any) -> None:
        """Hand an event on; a listener that is too far behind is closed, and begins anew."""
        if not self._listeners:
            return
        event = encode_event(name, value)
        for queue in list(self._listeners):
            if queue.full():
                self._listeners.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    def close(self) -> None:
        """Tell every listener that it is over."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Queue[bytes | None]]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._listeners.add(queue)
        metrics.LISTENERS.inc()
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
            metrics.LISTENERS.dec()


def encode_event(name: str, value: Any) -> bytes:
    """Return one server-sent event; JSON has no line feeds."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


async def events(board: Board, broadcast: Broadcast, stopping: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield the whole board, then every change, and a sign of life where nothing happens."""
    if stopping.is_set():
        return
    with broadcast.listening() as queue:
        yield b"retry: 2000\n\n" + encode_event("board", board.whole())
        while True:
            try:
                async with asyncio.timeout(10.0):
                    event = await queue.get()
            except TimeoutError:
                event = b": still here\n\n"
            if event is None:
                return
            yield event


async def follow(service: Service, bus: Bus, board: Board, broadcast: Broadcast) -> None:
    """Keep *board* newest until the service stops, with or without a database."""
    after = dict.fromkeys(STREAMS, "0-0")
    while not service.stopping.is_set():
        try:
            for stream, entry_id, message in await bus.tail(after, count=256):
                after[stream] = entry_id
                board.seen[stream] = int(entry_id.split("-")[0]) / 1_000
                event = board.take(message)
                if event is not None:
                    broadcast.send(*event)
        except (msgspec.DecodeError, zstandard.ZstdError) as error:
            log.warning("the live page leaves out what it cannot read", error=str(error))
            after = {stream: await bus.last_id(stream) for stream in STREAMS}
        except (RedisError, OSError) as error:
            log.warning("the live page has no bus", error=str(error))
            await service.pause(1.0)
    broadcast.close()
