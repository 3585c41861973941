"""What a run with real processes leaves on the bus, recorded beside the services and over the bus' own death."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec
from redis.exceptions import RedisError

from shared.bus import Delivery, RedisBus
from shared.contracts import (
    SCAN_MS,
    Alert,
    Analysis,
    Decision,
    DeliveryReport,
    MarketSnapshot,
    Message,
    Outcome,
    PriceTick,
    ScanOpened,
    ScanSettled,
    Stream,
    encode,
)
from tests.chaos.invariants import Step
from tests.chaos.stages import recorder

F = TypeVar("F", MarketSnapshot, Analysis)
READ: Final = (
    *(Stream.ALERTS, Stream.DELIVERIES, Stream.SCANS, Stream.DECISIONS, Stream.DECISIONS_PASSED, Stream.OUTCOMES),
)


@dataclass
class Records:
    """The messages of one run."""

    kept: dict[Stream, list[Any]] = field(default_factory=lambda: {stream: [] for stream in READ})
    entries: dict[Stream, dict[str, Message]] = field(default_factory=lambda: defaultdict(dict))  #: kept, by entry id
    ticks: dict[int, PriceTick] = field(default_factory=dict)  #: by time
    inputs: dict[int, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))  #: scan -> symbol -> digest
    newest_inputs: dict[int, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))  #: where they differ
    late: set[int] = field(default_factory=set)  #: scans sent again when newer prices were there already
    newer: list[str] = field(default_factory=list)  #: what a snapshot held that was newer than its scan
    said_again: int = 0  #: snapshots that came twice with different contents

    @property
    def alerts(self) -> list[Alert]:
        """All but the system's own."""
        return [alert for alert in self.kept[Stream.ALERTS] if alert.kind != "system"]

    @property
    def reports(self) -> list[DeliveryReport]:
        return self.kept[Stream.DELIVERIES]

    @property
    def outcomes(self) -> list[Outcome]:
        return self.kept[Stream.OUTCOMES]

    @property
    def decisions(self) -> list[Decision]:
        return [*self.kept[Stream.DECISIONS], *self.kept[Stream.DECISIONS_PASSED]]

    @property
    def settled(self) -> list[ScanSettled]:
        return [event for event in self.kept[Stream.SCANS] if isinstance(event, ScanSettled)]

    @property
    def opened(self) -> dict[int, ScanOpened]:
        """The newest word on each scan's opening."""
        return {event.scan_id: event for event in self.kept[Stream.SCANS] if isinstance(event, ScanOpened)}

    def steps(self) -> list[Step]:
        """Return the scans that settled with what was known of each."""
        analyses: dict[int, dict[str, Analysis]] = defaultdict(dict)
        for decision in self.decisions:
            if decision.outcome != "late":
                analyses[decision.analysis.scan_id][decision.analysis.symbol] = decision.analysis
        opened, after, steps = self.opened, 0, []
        for scan_id in sorted(event.scan_id for event in self.settled):
            ticks = [self.ticks[at] for at in sorted(self.ticks) if after < at <= scan_id]
            steps.append(Step(ticks, opened[scan_id], analyses[scan_id]))
            after = scan_id
        return steps

    def input_of(self, step: Step | None) -> dict[str, tuple[Any, ...]]:
        """Return what each symbol's part in a scan followed from: its snapshot, its prices, whether it was sound."""
        if step is None:
            return {}
        opened = step.opened
        return {
            symbol: (
                self.inputs[opened.scan_id].get(symbol),
                opened.degraded,
                [(tick.at, tick.prices.get(symbol)) for tick in step.ticks],
            )
            for symbol in opened.symbols
        }

    async def keep(self, url: str, stop: asyncio.Event) -> None:
        """Record until *stop*."""
        await asyncio.gather(self._read(url, stop), self._tail(url, stop))

    async def _read(self, url: str, stop: asyncio.Event) -> None:
        bus = RedisBus(url)
        while not stop.is_set():
            try:
                await recorder(bus, stop, READ, self._keep)
            except (RedisError, OSError):
                await asyncio.sleep(0.1)
        await bus.close()

    def _keep(self, delivery: Delivery) -> None:
        """Keep a message; one whose acknowledgement was lost comes twice."""
        known = self.entries[delivery.token.stream]
        if delivery.token.entry_id not in known:
            known[delivery.token.entry_id] = delivery.message
            self.kept[delivery.token.stream].append(delivery.message)

    async def _tail(self, url: str, stop: asyncio.Event) -> None:
        bus, after = RedisBus(url), {Stream.TICKS: "0-0", Stream.SNAPSHOTS: "0-0"}
        while not stop.is_set():
            try:
                for stream, entry_id, message in await bus.tail(after, block_ms=100):
                    after[stream] = entry_id
                    self.entries[stream][entry_id] = message
                    self._take(message)
            except (RedisError, OSError):
                await asyncio.sleep(0.1)
        await bus.close()

    def _take(self, message: Message) -> None:
        match message:
            case PriceTick() as tick:
                self.ticks.setdefault(tick.at, tick)
            case MarketSnapshot() as snapshot:
                self.newer += newer_than_its_scan(snapshot)
                known = self.inputs[snapshot.scan_id]
                made = digest(snapshot)
                if known.setdefault(snapshot.symbol, made) != made:
                    self.said_again += 1
                    self.newest_inputs[snapshot.scan_id][snapshot.symbol] = made


def timeless(fact: F) -> F:
    """Return *fact* without what the wall clock left in it."""
    if fact.sentiment is not None:
        fact = msgspec.structs.replace(fact, sentiment=msgspec.structs.replace(fact.sentiment, fetched_at=0))
    return fact


def digest(snapshot: MarketSnapshot) -> bytes:
    """Return a digest of an input."""
    return hashlib.sha256(encode(timeless(snapshot))).digest()


def difference(one: Analysis | None, two: Analysis | None) -> list[str]:
    """Return the fields in which two answers differ."""
    if one is None or two is None:
        return [] if one is two else ["one is missing"]
    one, two = timeless(one), timeless(two)
    return [name for name in one.__struct_fields__ if repr(getattr(one, name)) != repr(getattr(two, name))]


def newer_than_its_scan(snapshot: MarketSnapshot) -> list[str]:
    """7: bars begin before the close, derivatives are five minutes older than it, depth is not newer."""
    scan_id, derivatives = snapshot.scan_id, snapshot.derivatives
    stamps = {f"{name} bars": int(bars.matrix[0, -1]) + SCAN_MS for name, bars in snapshot.bars.items() if len(bars)}
    if snapshot.depth is not None:
        stamps["depth"] = snapshot.depth.at
    for name in ("open_interest", "global_ratio", "top_ratio"):
        times, _ = getattr(derivatives, name).arrays()
        if len(times):
            stamps[name] = int(times[-1]) + SCAN_MS
    return [f"7: {snapshot.symbol} at {scan_id} holds {name} of {at}" for name, at in stamps.items() if at > scan_id]
