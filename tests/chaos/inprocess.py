"""One seeded run with every stage in this process, on a real Valkey, and the ten invariants after it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

from services.gatekeeper.handler import JudgingContext
from shared.bus import RETENTION, RedisBus
from shared.contracts import (
    SCAN_MS,
    Alert,
    Decision,
    DeliveryReport,
    ScanSettled,
    Stream,
)
from tests.chaos import invariants
from tests.chaos.faults import Faults
from tests.chaos.invariants import Step
from tests.chaos.market import SETTINGS, START, ChaosMarket
from tests.chaos.stages import Sink, Stage, analyzer, evaluator, gatekeeper, recorder, sender, statuses
from tests.component.gatekeeper.running import begin

LEASE_MS: Final = 500
CLAIM_AFTER_MS: Final = 400
SETTLE_SECONDS: Final = 40.0
DRAIN_SECONDS: Final = 15.0
GROUPS: Final = {
    "analyzer": (Stream.SNAPSHOTS,),
    "gatekeeper": (Stream.TICKS, Stream.SCANS, Stream.ANALYSES),
    "notifier": (Stream.ALERTS,),
    "evaluator": (Stream.SCANS, Stream.DECISIONS_PASSED, Stream.DECISIONS),
    "api": (Stream.DECISIONS, Stream.DECISIONS_PASSED, Stream.ALERTS, Stream.DELIVERIES, Stream.SCANS, Stream.OUTCOMES),
}


@contextmanager
def quick() -> Iterator[None]:
    """Shorten the lease and the claim, so that a run takes seconds; the product's own are 9 and 15 s."""
    with (
        mock.patch("shared.runtime.leader.LEASE_MS", LEASE_MS),
        mock.patch("shared.runtime.consumer.CLAIM_AFTER_MS", CLAIM_AFTER_MS),
    ):
        yield


@dataclass
class Run:
    """What one run left behind."""

    seed: int
    name: str  #: of its market
    kept: dict[Stream, list[Any]]
    sink: Sink
    struck: Counter[str]
    kills: Counter[str]
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def alerts(self) -> list[Alert]:
        return self.kept[Stream.ALERTS]

    @property
    def decisions(self) -> list[Decision]:
        return [*self.kept[Stream.DECISIONS], *self.kept[Stream.DECISIONS_PASSED]]


def context_of(market: ChaosMarket, name: str) -> JudgingContext:
    """Return what the gatekeeper of the run *name*, a market of its own, judges with."""
    return JudgingContext(name, SETTINGS, 0, (), market.price_alerts(), 1)


def expected_alerts(market: ChaosMarket, name: str) -> list[Alert]:
    """Return the alerts of the undisturbed run."""
    return invariants.alerts_of(steps_of(market), context_of(market, name))


def steps_of(market: ChaosMarket) -> list[Step]:
    """Return the scans of the undisturbed run."""
    return [
        Step(market.ticks(index), market.opened(index), {one.symbol: market.analyse(one) for one in snapshots})
        for index in range(market.scans)
        for snapshots in [market.snapshots(index)]
    ]


async def run(seed: int, url: str, *, analyzers: int = 3, rate: float = 0.03, scans: int = 12) -> Run:
    """Run the market of *seed* with faults at *rate* of the stages' operations; check the invariants."""
    started = time.monotonic()
    market = ChaosMarket(seed, scans=scans)
    name = f"chaos-{seed}-{time.time_ns()}"
    bus, faults, sink = RedisBus(url, name), Faults(seed, rate), Sink()
    kept: dict[Stream, list[Any]] = {stream: [] for stream in GROUPS["api"]}
    mains = (
        [("analyzer", analyzer(market))] * analyzers + [("gatekeeper", gatekeeper)] * 2 + [("notifier", sender(sink))]
    )
    mains += [("evaluator", evaluator)] * 2
    stages = [Stage(kind, number, url, name, faults, main) for number, (kind, main) in enumerate(mains)]
    stop = asyncio.Event()
    await _begin(bus, market)
    for stage in stages:
        stage.start()
    recording = asyncio.ensure_future(
        recorder(bus, stop, list(kept), lambda one: kept[one.token.stream].append(one.message))
    )
    result = Run(seed, name, kept, sink, faults.struck, Counter())
    try:
        settled = await _drive(bus, market)
        faults.on = False
        if settled < scans:
            result.violations.append(f"only {settled} of {scans} scans settled")
        result.violations += await _drained(bus)
        result.violations += await _bounded(bus, market, stages)
    finally:
        stop.set()
        await asyncio.gather(*(stage.stop() for stage in stages), recording, return_exceptions=True)
        await _clean(bus)
        await bus.close()
    result.kills = faults.in_flight
    result.violations += check(result, market)
    result.seconds = time.monotonic() - started
    return result


async def _begin(bus: RedisBus, market: ChaosMarket) -> None:
    """Publish what the API publishes on an empty bus; every group reads from the beginning."""
    for group, streams in GROUPS.items():
        for stream in streams:
            await bus.ensure_group(stream, group)
    await begin(bus, SETTINGS, *market.price_alerts())


async def _drive(bus: RedisBus, market: ChaosMarket) -> int:
    """Be the fetcher in lockstep: the next bar begins when the last scan has settled."""
    after = "0-0"
    for index in range(market.scans):
        for tick in market.ticks(index):
            await bus.publish(Stream.TICKS, [tick])
        await bus.publish(Stream.SCANS, [market.opened(index)])
        await bus.publish(Stream.SNAPSHOTS, market.snapshots(index))
        after, done = await _wait_settled(bus, market.scan_id(index), after)
        if not done:
            return index
    return market.scans


async def _wait_settled(bus: RedisBus, scan_id: int, after: str) -> tuple[str, bool]:
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        for _, entry_id, event in await bus.tail({Stream.SCANS: after}, block_ms=100):
            after = entry_id
            if isinstance(event, ScanSettled) and event.scan_id == scan_id:
                return after, True
    return after, False


async def _drained(bus: RedisBus) -> list[str]:
    """Wait until every queue is empty; return what is not once nothing has moved for a while."""
    began = moved = time.monotonic()
    left: list[str] = []
    while time.monotonic() < min(moved + DRAIN_SECONDS, began + 10 * DRAIN_SECONDS):
        before, left = left, []
        for group, streams in GROUPS.items():
            for stream in streams:
                backlog = await bus.backlog(stream, group)
                if backlog.pending or backlog.undelivered:
                    left.append(f"10: {group} has {backlog.pending} pending, {backlog.undelivered} unread of {stream}")
        if not left:
            return [f"3: dead letter {letter.stream}: {letter.error}" for letter in await bus.dead_letters()]
        if left != before:
            moved = time.monotonic()
        await asyncio.sleep(0.1)
    return left


async def _bounded(bus: RedisBus, market: ChaosMarket, stages: list[Stage]) -> list[str]:
    """Return what grew beyond its bound: streams, and what waits in memory."""
    found = []
    for stream in Stream:
        length = (await bus.backlog(stream, "-")).length
        bound = RETENTION[stream].at_most
        if stream in (Stream.SNAPSHOTS, Stream.ANALYSES):
            bound = 4 * market.symbols
        if length > bound:
            found.append(f"9: {length} entries in {stream}, at most {bound} expected")
    return found


async def _clean(bus: RedisBus) -> None:
    keys = [key async for key in bus.redis.scan_iter(match=f"{{{bus.market}}}:*")]
    if keys:
        await bus.redis.delete(*keys)


def check(result: Run, market: ChaosMarket) -> list[str]:
    """Return what contradicts the invariants 1 to 8."""
    degraded = {market.scan_id(index) for index in range(market.scans) if market.opened(index).degraded}
    reports: list[DeliveryReport] = result.kept[Stream.DELIVERIES]
    settled = [event.scan_id for event in result.kept[Stream.SCANS] if isinstance(event, ScanSettled)]
    return [
        *invariants.same_alerts(expected_alerts(market, result.name), result.alerts),
        *invariants.all_told([one.alert_id for one in result.alerts], statuses(reports), result.sink.received),
        *invariants.same_outcomes(
            invariants.outcomes_of(steps_of(market), context_of(market, result.name)),
            result.kept[Stream.OUTCOMES],
        ),
        *invariants.persistence(result.decisions, degraded),
        *invariants.order(result.alerts),
        *_own_bars(result, market),
        *invariants.scans_in_order(settled),
        *invariants.nothing_stale(result.alerts, degraded),
    ]


def _own_bars(result: Run, market: ChaosMarket) -> list[str]:
    """7: each analysis carries its scan's own bar."""
    return [
        f"7: {decision.decision_id} used another bar"
        for decision in result.decisions
        if decision.analysis.bar
        != market.bars[decision.analysis.symbol][(decision.analysis.scan_id - START) // SCAN_MS]
    ]
