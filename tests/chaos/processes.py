"""One run with real processes: the simulator in lockstep, the services behind a proxy, a webhook sink, and accidents.

The reference run of a market is undisturbed with one analyzer; the others have three, a standby
gatekeeper, and the accidents that follow from their number.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from redis.exceptions import RedisError

from services.gatekeeper.handler import JudgingContext
from services.terminal.local import listening, lockstep
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import LocalStack, Plan, SimulatorPlan, module
from services.terminal.local.webhook_sink import Sink
from shared.bus import RETENTION, RedisBus
from shared.bus.replies import text
from shared.config.environment import MARKET
from shared.contracts import (
    Alert,
    DeliveryReport,
    PriceAlert,
    ScanSettled,
    Stream,
)
from shared.settings import RuntimeSettings
from tests.chaos import accidents, failovers, invariants
from tests.chaos.accidents import Scene, SlowSink, Strike
from tests.chaos.buses import Servers, Stores, servers_of
from tests.chaos.proxy import Proxy
from tests.chaos.records import Records, difference
from tests.chaos.stages import statuses
from tests.component.gatekeeper.running import begin

GROUPS: Final = {
    "analyzer": (Stream.SNAPSHOTS,),
    "gatekeeper": (Stream.TICKS, Stream.SCANS, Stream.ANALYSES),
    "notifier": (Stream.ALERTS,),
    "evaluator": (Stream.SCANS, Stream.DECISIONS_PASSED, Stream.DECISIONS),
}
SERVICES: Final = {
    "fetcher": "fetcher",
    "gatekeeper": "gatekeeper",
    "evaluator": "evaluator",
    "notifier": "notifier",
    "deliverer": "notifier.deliverer",
}
DRAIN_SECONDS: Final = 60.0  #: a job whose worker died in it is found after 12 s of silence and one maintenance, 15 s
QUIET_SECONDS: Final = 1.0
BUS_MORE: Final = 16 << 20  #: bytes that the bus may use above the undisturbed run's
SERVICE_MORE: Final = 64 << 20  #: bytes that a service may use above the undisturbed run's
#: fires for every symbol whose price moves half a percent within 15 minutes, again after ten
MOVED: Final = {"condition": "moves", "value": 0.005, "window_seconds": 900, "repeat": True, "cooldown_seconds": 600}


@dataclass
class ProcessRun:
    """What one run left behind."""

    name: str
    kind: str = "undisturbed"
    records: Records = field(default_factory=Records)
    scans: list[ScanSettled] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    drained_seconds: float = 0.0  #: from the last scan until every queue was empty
    memory: dict[str, int] = field(default_factory=dict)  #: bytes at the end, by service; "bus" as it counts itself

    @property
    def alerts(self) -> list[Alert]:
        return self.records.alerts


def config(sink: Sink, symbols: int) -> dict[str, Any]:
    """Return a config.yaml of thresholds low enough for many signals in few scans; everything else as shipped."""
    return {
        "universe": {"size": symbols, "min_quote_volume": 0},
        "thresholds": {
            "score": 20,
            "fmqs": 0,
            "squeeze_intervals": [],
            "volume_ratio": 0.3,
            "groups": 1,
            "timeframes": 1,
        },
        "destinations": {"sink": sink.destination},
        "routes": [{"destinations": ["sink"]}],
    }


def price_alerts() -> tuple[PriceAlert, ...]:
    """Return some of the symbols' price alerts."""
    names = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    return tuple(PriceAlert(price_alert_id=f"moved-{name}", symbol=name, **MOVED) for name in names)  # type: ignore[arg-type]


async def run(
    name: str,
    market: int,
    *,
    closes: int,
    symbols: int,
    analyzers: int = 3,
    number: int | None = None,
    stores: Stores = "valkey",
) -> ProcessRun:
    """Drive *closes* scans through real processes, with the accidents of run *number*; return its result."""
    plan = accidents.plan if stores == "valkey" else accidents.failover_plan
    kind, strikes = plan(number) if number is not None else ("undisturbed", [])
    return await run_with(
        name, market, kind, strikes, closes=closes, symbols=symbols, analyzers=analyzers, stores=stores
    )


async def run_with(
    name: str,
    market: int,
    kind: str,
    strikes: list[Strike],
    *,
    closes: int,
    symbols: int,
    analyzers: int,
    stores: Stores = "valkey",
) -> ProcessRun:
    """Drive *closes* scans through real processes, with *strikes*; return its result."""
    result, started = ProcessRun(name, kind), time.monotonic()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sevengate-chaos-")))
        sink = await stack.enter_async_context(SlowSink())
        supervisor = await stack.enter_async_context(Supervisor(lambda process, line: _note(result, process, line)))
        proxy = await stack.enter_async_context(Proxy("127.0.0.1"))  # entered first, it outlives the services
        servers = stack.enter_context(servers_of(stores, folder))
        plan = Plan(folder, folder / "config.yaml", listening.free_port(), services=(), redis_url=servers.redis_url)
        local = await stack.enter_async_context(LocalStack(plan, supervisor, say=print))
        await local.start_stores()
        bus = RedisBus(local.redis_url)
        stack.push_async_callback(bus.close)
        value = RuntimeSettings.model_validate(config(sink, symbols))
        await begin(bus, value, *price_alerts())
        await local.start_simulator(SimulatorPlan(symbols=symbols, seed=market, lockstep=True))
        await _start(local, servers, proxy, analyzers, standby=bool(strikes))
        stop = asyncio.Event()
        recording = asyncio.ensure_future(result.records.keep(local.redis_url, stop))
        scene = Scene(bus, supervisor, proxy, sink, servers, lambda: len(result.scans), random.Random(name))
        try:
            if not await _ready(local, result.records):
                result.violations.append("the first scan never settled")
                return result
            await _drive(local, scene, closes, strikes, result)
            await _drained(bus, result, changed=bool(scene.failovers))
            result.memory = await _memory(scene)
            final = await failovers.final_entries(bus) if scene.failovers else {}
            result.violations += await _keys_of_no_market(bus)
        finally:
            stop.set()
            await asyncio.gather(recording, return_exceptions=True)
        result.kills, result.struck = scene.kills, result.struck + scene.struck
        back, missing = failovers.take_final(result.records, final)
        result.struck += back
        again = failovers.sent_again(sink.arrivals, scene.failovers)
        result.struck[failovers.AGAIN] += len(again)
        result.violations += [
            *scene.violations,
            *missing,
            *check(result, sink, again, JudgingContext(MARKET, value, 0, (), price_alerts(), settings_version=1)),
        ]
    result.seconds = time.monotonic() - started
    return result


def _note(result: ProcessRun, process: str, line: str) -> None:
    if '"level": "error"' in line or "Traceback" in line:
        result.struck[f"{process.rstrip('123456789')} logged an error"] += 1


async def _start(local: LocalStack, servers: Servers, proxy: Proxy, analyzers: int, *, standby: bool) -> None:
    """Start every service behind its own door to the bus; some have names that outlast them."""
    wanted = dict(SERVICES)
    wanted |= {"gatekeeper2": "gatekeeper"} if standby else {}
    wanted |= {f"analyzer{number}": "analyzer" for number in range(1, analyzers + 1)}
    for name, service in wanted.items():
        environment = {**local.environment, **await servers.environment(proxy, name, local.redis_url)}
        if service == "gatekeeper" or name in accidents.LASTING:
            environment["SEVENGATE_INSTANCE"] = name
        await local.supervisor.start(name, module(service), environment)


async def _ready(local: LocalStack, records: Records, seconds: float = 120.0) -> bool:
    """Wait until the fetcher listens and the scan that it opens at its start has settled: lockstep begins then."""
    deadline = time.monotonic() + seconds
    if not await lockstep.exchange_ready(local.simulator_url, seconds):
        return False
    while not records.settled:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def _drive(local: LocalStack, scene: Scene, closes: int, strikes: list[Strike], result: ProcessRun) -> None:
    """Step the exchange while accidents happen."""
    breaking = asyncio.ensure_future(accidents.happen(scene, strikes))
    patience = failovers.SETTLE_SECONDS if scene.servers.redis_url else lockstep.SETTLE_SECONDS
    try:
        await lockstep.drive(
            scene.bus, local.simulator_url, closes=closes, settled=result.scans.append, patience=patience
        )
    except (lockstep.NotSettledError, RedisError, OSError) as error:
        result.violations.append(f"the lockstep driver gave up: {error!r}")
    except asyncio.CancelledError:
        breaking.cancel()  # the run was interrupted: no accident is waited for
        raise
    finally:
        done, late = await asyncio.wait({breaking}, timeout=accidents.LONGEST)
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*done, *late, return_exceptions=True):
            if isinstance(outcome, Exception):
                result.violations.append(f"an accident did not work: {outcome!r}")
    if len(result.scans) < closes:
        result.violations.append(f"only {len(result.scans)} of {closes} scans settled")


async def _memory(scene: Scene) -> dict[str, int]:
    """Return what the bus and each service use, bytes; of several of one kind the largest."""
    used = {"bus": int((await scene.bus.redis.info("memory"))["used_memory"])}
    for name in scene.supervisor.names():
        service = name.rstrip("123456789")
        if scene.supervisor.alive(name) and service not in ("valkey", "simulator"):
            size = psutil.Process(scene.supervisor.pid(name)).memory_info().rss
            used[service] = max(size, used.get(service, 0))
    return used


async def _keys_of_no_market(bus: RedisBus) -> list[str]:
    """Return a sentence for each key of the bus that is not its market's: in a cluster it would lie elsewhere."""
    keys = [text(key) async for key in bus.redis.scan_iter(count=1_000)]
    return [f"the key {key} has no market" for key in keys if not key.startswith((bus.key(""), "rq:"))]


async def _drained(bus: RedisBus, result: ProcessRun, *, changed: bool) -> None:
    """Wait until each alert, on a *changed* bus each that it holds now, has an end, and every queue is empty."""
    began = time.monotonic()
    quiet_since, left = began, ["?"]
    while time.monotonic() < began + DRAIN_SECONDS:
        held = await failovers.final_entries(bus) if changed else {}
        left = [*await _waiting(bus), *_without_end(failovers.alerts_and_reports(result.records, held))]
        if left:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > QUIET_SECONDS:
            result.drained_seconds = quiet_since - began
            return
        await asyncio.sleep(0.1)
    result.violations += [f"10: after {DRAIN_SECONDS:g} s {what}" for what in left]


def _without_end(told: tuple[list[Alert], list[DeliveryReport]]) -> list[str]:
    alerts, reports = told
    ends = statuses(reports)
    return [f"{one.alert_id} has no end" for one in alerts if not ends.get(one.alert_id, set()) & invariants.ENDS]


async def _waiting(bus: RedisBus) -> list[str]:
    """Return what still waits on the bus: in a group, or in one of rq's queues."""
    found = []
    for group, streams in {**GROUPS, "api": (Stream.ALERTS, Stream.DELIVERIES, Stream.SCANS, Stream.OUTCOMES)}.items():
        for stream in streams:
            backlog = await bus.backlog(stream, group)
            if backlog.pending or backlog.undelivered:
                found.append(f"{group} has {backlog.pending} pending, {backlog.undelivered} unread of {stream}")
    async for key in bus.redis.scan_iter(match="rq:*", count=1_000):
        parts = key.decode().split(":")
        if parts[1] == "queue" and "first_seen" not in parts and (count := await bus.redis.llen(key)):
            found.append(f"{count} jobs in {key.decode()}")
        if parts[1] in ("wip", "scheduled") and (count := await bus.redis.zcard(key)):
            found.append(f"{count} jobs in {key.decode()}")
    for stream in Stream:
        length, bound = await bus.redis.xlen(bus.key(stream)), RETENTION[stream].at_most
        if length > bound:
            found.append(f"9: {length} entries in {stream}, at most {bound} expected")
    return found


def check(result: ProcessRun, sink: SlowSink, again: set[str], world: JudgingContext) -> list[str]:
    """Return what contradicts the invariants 1 to 8; 10 was waited for, and the streams' lengths with it.

    An alert of *again* may have come twice.  Whether a bar fires a price alert depends on the prices after it that were
    known: where it was late, nothing is expected.
    """

    def by_late_bar(alert: Alert) -> bool:
        return alert.kind == "price" and alert.occurred_at in records.late

    records = result.records
    opened = records.opened.values()
    degraded = {event.scan_id for event in opened if event.degraded}
    ends, received = statuses(records.reports), Counter(sink.received) - Counter(again)
    expected = invariants.alerts_of(records.steps(), world)
    result.struck[failovers.BY_LATE_BARS] += sum(by_late_bar(one) for one in [*expected, *records.alerts])
    result.struck["alerts reported unknown"] += sum("unknown" in end for end in ends.values())
    return [
        *invariants.same_alerts(
            [one for one in expected if one.kind != "system" and not by_late_bar(one)],
            [one for one in records.alerts if not by_late_bar(one)],
        ),
        *(f"1: scan {scan.scan_id} settled at its deadline" for scan in records.settled if scan.at_deadline),
        *invariants.all_told([one.alert_id for one in records.alerts], ends, received),
        *invariants.same_outcomes(invariants.outcomes_of(records.steps(), world), records.outcomes),
        *invariants.persistence(records.decisions, degraded),
        *invariants.order(records.alerts),
        *invariants.scans_in_order([scan.scan_id for scan in records.settled]),
        *records.newer,
        *invariants.nothing_stale(records.alerts, degraded),
    ]


def compare(reference: ProcessRun, other: ProcessRun) -> list[str]:
    """Return how *other* differs from the undisturbed run where their recorded inputs are equal.

    Every analysis of equal input must be equal; an alert may differ only where its symbol's input did before.
    """
    mine, theirs = ({step.opened.scan_id: step for step in run.records.steps()} for run in (other, reference))
    differing: dict[int, set[str]] = {}  #: scan -> symbols
    found, equal = _memory_above(reference, other), 0
    for scan_id in sorted(mine.keys() | theirs.keys()):
        one, two = other.records.input_of(mine.get(scan_id)), reference.records.input_of(theirs.get(scan_id))
        same = {symbol for symbol in one.keys() & two.keys() if one[symbol] == two[symbol]}
        differing[scan_id] = (one.keys() | two.keys()) - same
        equal += len(same)
        for symbol in sorted(same):
            if fields := difference(*(run[scan_id].analyses.get(symbol) for run in (theirs, mine))):
                found.append(f"1: {symbol} at {scan_id} was analysed otherwise: {', '.join(fields)}")
    other.struck["inputs equal to the undisturbed run's"] += equal
    other.struck["inputs other than the undisturbed run's"] += sum(map(len, differing.values()))
    return found + [
        text
        for text, alert in _differences(reference.alerts, other.alerts)
        if not any(
            scan_id <= invariants.scan_of(alert) and symbols and (not alert.symbol or alert.symbol in symbols)
            for scan_id, symbols in differing.items()
        )
    ]


def _memory_above(reference: ProcessRun, other: ProcessRun) -> list[str]:
    """9: the memory of the bus and the services is that of the undisturbed run, but for some slack."""
    more = {name: size - reference.memory.get(name, 0) for name, size in other.memory.items()}
    return [
        f"9: {name} uses {count >> 20} MB more than undisturbed"
        for name, count in more.items()
        if count > (BUS_MORE if name == "bus" else SERVICE_MORE)
    ]


def _differences(wanted: list[Alert], got: list[Alert]) -> list[tuple[str, Alert]]:
    one, two = ({(alert.alert_id, invariants.is_early(alert)): alert for alert in alerts} for alerts in (wanted, got))
    return [
        *((f"1: the undisturbed run has {name}", one[name]) for name in sorted(one.keys() - two.keys())),
        *((f"2: the undisturbed run has no {name}", two[name]) for name in sorted(two.keys() - one.keys())),
    ]
