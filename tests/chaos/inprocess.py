"""One seeded run with every stage in this process, on a real Valkey, and the ten invariants after it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

from services.gatekeeper import handler
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import World
from shared.bus import RETENTION, RedisBus
from shared.contracts import (
    SCAN_MS,
    Alert,
    Decision,
    DeliveryReport,
    MutesChanged,
    PriceAlertsChanged,
    ScanSettled,
    SettingsChanged,
    StateRestored,
    Stream,
)
from tests.chaos.faults import Faults
from tests.chaos.market import SETTINGS, START, ChaosMarket
from tests.chaos.stages import Sink, Stage, analyzer, gatekeeper, recorder, statuses, teller

LEASE_MS: Final = 500
CLAIM_AFTER_MS: Final = 400
SETTLE_SECONDS: Final = 40.0
DRAIN_SECONDS: Final = 15.0
GROUPS: Final = {
    "analyzer": (Stream.SNAPSHOTS,),
    "gatekeeper": (Stream.TICKS, Stream.SCANS, Stream.ANALYSES),
    "notifier": (Stream.ALERTS,),
    "api": (Stream.DECISIONS, Stream.DECISIONS_PASSED, Stream.ALERTS, Stream.DELIVERIES, Stream.SCANS),
}


def quick() -> mock._patch[Any]:
    """Shorten the lease and the claim, so that a run takes seconds; the product's own are 9 and 15 s."""
    return mock.patch.multiple("shared.service", LEASE_MS=LEASE_MS, CLAIM_AFTER_MS=CLAIM_AFTER_MS)


@dataclass
class Run:
    """What one run left behind."""

    seed: int
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


def expected_alerts(market: ChaosMarket) -> list[Alert]:
    """Return the alerts of the undisturbed run, by the handler alone: no bus, no tasks, no time."""
    world = World(SETTINGS, 0, (), market.price_alerts())
    state, alerts = State(), []
    for index in range(market.scans):
        steps = handler.take_ticks(state, [(tick, False) for tick in market.ticks(index)], world)
        analyses = {one.symbol: market.analyse(one) for one in market.snapshots(index)}
        settled = handler.settle_scan(steps.state, market.opened(index), analyses, world, opened_wall=0)
        state = settled.state
        for outcome in (steps, settled):
            alerts += [message for _, message in outcome.outputs if isinstance(message, Alert)]
    return alerts


async def run(seed: int, url: str, *, analyzers: int = 3, rate: float = 0.03, scans: int = 12) -> Run:
    """Run the market of *seed* with faults at *rate* of the stages' operations; check the invariants."""
    started = time.monotonic()
    market = ChaosMarket(seed, scans=scans)
    name = f"chaos-{seed}-{time.time_ns()}"
    bus, faults, sink = RedisBus(url, name), Faults(seed, rate), Sink()
    kept: dict[Stream, list[Any]] = {stream: [] for stream in GROUPS["api"]}
    mains = (
        [("analyzer", analyzer(market))] * analyzers + [("gatekeeper", gatekeeper)] * 2 + [("notifier", teller(sink))]
    )
    stages = [Stage(kind, number, url, name, faults, main) for number, (kind, main) in enumerate(mains)]
    stop = asyncio.Event()
    await _begin(bus, market)
    for stage in stages:
        stage.start()
    recording = asyncio.ensure_future(recorder(bus, stop, kept))
    result = Run(seed, kept, sink, faults.struck, Counter())
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
    await bus.publish_settings(StateRestored(version=1))
    await bus.publish_settings(MutesChanged(version=1, mutes=()))
    await bus.publish_settings(PriceAlertsChanged(version=1, price_alerts=market.price_alerts()))
    await bus.publish_settings(SettingsChanged(version=1, value=SETTINGS.dump(), at=0))


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
    """Wait until every queue is empty; return what is not."""
    deadline = time.monotonic() + DRAIN_SECONDS
    left: list[str] = []
    while time.monotonic() < deadline:
        left = []
        for group, streams in GROUPS.items():
            for stream in streams:
                backlog = await bus.backlog(stream, group)
                if backlog.pending or backlog.undelivered:
                    left.append(f"10: {group} has {backlog.pending} pending, {backlog.undelivered} unread of {stream}")
        if not left:
            return [f"3: dead letter {letter.stream}: {letter.error}" for letter in await bus.dead_letters()]
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
    return [
        *_same_alerts(result, market),
        *_all_told(result),
        *_persistence(result, market),
        *_order(result),
        *_nothing_newer(result, market),
        *_nothing_stale(result, market),
    ]


def _same_alerts(result: Run, market: ChaosMarket) -> list[str]:
    wanted = Counter((alert.alert_id, _early(alert)) for alert in expected_alerts(market))
    got = Counter((alert.alert_id, _early(alert)) for alert in result.alerts)
    return [
        *(f"1: missing {alert}" for alert in sorted((wanted - got).keys())),
        *(f"2: too many {alert}" for alert in sorted((got - wanted).keys())),
    ]


def _early(alert: Alert) -> bool:
    return bool(getattr(alert.body, "early", False))


def _all_told(result: Run) -> list[str]:
    reports: list[DeliveryReport] = result.kept[Stream.DELIVERIES]
    ends, found = statuses(reports), []
    for alert_id in {alert.alert_id for alert in result.alerts}:
        times, end = result.sink.received[alert_id], ends.get(alert_id, set())
        if not end & {"sent", "unknown", "expired"}:
            found.append(f"3: {alert_id} has no end")
        if times > 1:
            found.append(f"4: {alert_id} was told {times} times")
        if times == 0 and "sent" in end:
            found.append(f"3: {alert_id} is reported sent and was not")
    return found


def _persistence(result: Run, market: ChaosMarket) -> list[str]:
    """Recompute gate 7's value of every decision from the decisions of the scans before."""
    degraded = {market.scan_id(index) for index in range(market.scans) if market.opened(index).degraded}
    appeared = {
        (d.analysis.symbol, d.analysis.scan_id, d.analysis.side)
        for d in result.decisions
        if d.appeared and d.outcome not in ("late", "inhibited") and d.analysis.scan_id not in degraded
    }
    found = []
    for decision in result.decisions:
        analysis, row = decision.analysis, 0
        while (analysis.symbol, analysis.scan_id - (row + 1) * SCAN_MS, analysis.side) in appeared:
            row += 1
        if decision.outcome != "late" and decision.verdicts[6].value != row:
            found.append(f"5: {decision.decision_id} counts {decision.verdicts[6].value} scans, {row} are recorded")
    ids = Counter(decision.decision_id for decision in result.decisions)
    return found + [f"5: {count} decisions {name}" for name, count in ids.items() if count > 1]


def _order(result: Run) -> list[str]:
    newest: dict[str, int] = {}
    found = []
    seen: set[str] = set()
    for alert in result.alerts:
        if alert.symbol and alert.occurred_at < newest.get(alert.symbol, 0):
            found.append(f"6: {alert.alert_id} is out of order")
        if alert.parent_id and alert.parent_id not in seen:
            found.append(f"6: {alert.alert_id} comes before what it answers")
        newest[alert.symbol] = alert.occurred_at
        seen.add(alert.alert_id)
    return found


def _nothing_newer(result: Run, market: ChaosMarket) -> list[str]:
    found = []
    for decision in result.decisions:
        analysis = decision.analysis
        bar = market.bars[analysis.symbol][(analysis.scan_id - START) // SCAN_MS]
        if analysis.bar != bar:
            found.append(f"7: {decision.decision_id} used another bar")
    scans: list[ScanSettled] = [event for event in result.kept[Stream.SCANS] if isinstance(event, ScanSettled)]
    order = [event.scan_id for event in scans]
    return found + ([] if order == sorted(set(order)) else [f"7: scans settled in the order {order}"])


def _nothing_stale(result: Run, market: ChaosMarket) -> list[str]:
    degraded = {market.scan_id(index) for index in range(market.scans) if market.opened(index).degraded}
    return [
        f"8: {alert.alert_id} comes of a degraded scan"
        for alert in result.alerts
        if alert.kind in ("signal", "group", "anomaly") and alert.scan_id in degraded
    ]
