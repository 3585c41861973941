"""One run with real processes: the simulator in lockstep, the services, a webhook sink, and accidents.

The reference run of a seed is undisturbed with one analyzer; the others have three, a standby
gatekeeper, and somebody who kills, stops and resumes processes while they hold messages.
"""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from services.terminal import lockstep, stores
from services.terminal.house import House, Plan, SimulatorPlan, module
from services.terminal.sink import Sink
from services.terminal.supervisor import Supervisor
from shared.bus import RedisBus
from shared.contracts import (
    MutesChanged,
    PriceAlertsChanged,
    ScanSettled,
    SettingsChanged,
    StateRestored,
    Stream,
)
from shared.settings import RuntimeSettings
from tests.chaos.stages import recorder, statuses

SERVICES: Final = ("fetcher", "gatekeeper", "notifier", "notifier.deliverer")
GROUP_OF: Final = {
    "analyzer": ("analyzer", (Stream.SNAPSHOTS,)),
    "gatekeeper": ("gatekeeper", (Stream.ANALYSES, Stream.SCANS, Stream.TICKS)),
    "notifier": ("notifier", (Stream.ALERTS,)),
}
LEASE_SECONDS: Final = 9.0
DRAIN_SECONDS: Final = 150.0  #: rq gives a dead worker's job up after its heartbeat, 90 s, and one maintenance
QUIET_TURNS: Final = 10
ENDS: Final = frozenset({"sent", "unknown", "expired", "rejected"})


@dataclass
class ProcessRun:
    """What one run left behind."""

    name: str
    alert_ids: set[str] = field(default_factory=set)
    signals: int = 0
    scans: list[ScanSettled] = field(default_factory=list)
    received: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0


def settings(sink: Sink, symbols: int) -> RuntimeSettings:
    """Return thresholds low enough for many signals in few scans; everything else as shipped."""
    value: dict[str, Any] = {
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
    return RuntimeSettings.model_validate(value)


@dataclass(frozen=True)
class Accidents:
    """What is to happen in a run."""

    seed: int
    targets: tuple[str, ...] = ("analyzer1", "analyzer2", "analyzer3", "gatekeeper", "notifier", "deliverer")
    every: float = 1.5  #: mean seconds between two
    at_most: int = 8  #: a process that is killed again and again is restarted ever later
    stops: bool = True  #: SIGSTOP beyond the lease now and then, instead of SIGKILL
    valkey: bool = False  #: kill the bus itself once


async def run(
    name: str, market_seed: int, *, closes: int, symbols: int, analyzers: int, accidents: Accidents | None
) -> ProcessRun:
    """Drive *closes* scans through real processes, with *accidents*; return what came of it."""
    result, started = ProcessRun(name), time.monotonic()
    kept: dict[Stream, list[Any]] = {stream: [] for stream in (Stream.ALERTS, Stream.DELIVERIES, Stream.SCANS)}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sevengate-chaos-")))
        sink = await stack.enter_async_context(Sink())
        supervisor = await stack.enter_async_context(Supervisor(lambda process, line: _note(result, process, line)))
        plan = Plan(folder, folder / "config.yaml", stores.free_port(), analyzers, services=SERVICES)
        house = await stack.enter_async_context(House(plan, supervisor, say=print))
        await house.open_stores()
        bus = RedisBus(house.redis_url)
        stack.push_async_callback(bus.close)
        await _publish_settings(bus, settings(sink, symbols))
        await house.open_simulator(SimulatorPlan(symbols=symbols, seed=market_seed, lockstep=True))
        await house.open_services()
        if accidents is not None:
            await supervisor.start("gatekeeper2", module("gatekeeper"), house.environment)
        stop = asyncio.Event()
        recording = asyncio.ensure_future(_record(house.redis_url, stop, kept))
        try:
            if not await lockstep.exchange_ready(house.simulator_url, 120.0):
                result.violations.append("the fetcher never subscribed")
                return result
            await _drive(bus, house, closes, supervisor, accidents, result)
            await _drained(kept, result)
        finally:
            stop.set()
            await asyncio.gather(recording, return_exceptions=True)
        _conclude(result, kept, sink)
    result.seconds = time.monotonic() - started
    return result


def _note(result: ProcessRun, process: str, line: str) -> None:
    if '"level": "error"' in line or "Traceback" in line:
        result.struck[f"{process} logged an error"] += 1


async def _publish_settings(bus: RedisBus, value: RuntimeSettings) -> None:
    await bus.publish_settings(StateRestored(version=1))
    await bus.publish_settings(MutesChanged(version=1, mutes=()))
    await bus.publish_settings(PriceAlertsChanged(version=1, price_alerts=()))
    await bus.publish_settings(SettingsChanged(version=1, value=value.dump(), at=0))


async def _record(url: str, stop: asyncio.Event, kept: dict[Stream, list[Any]]) -> None:
    """Record as the API does, over the bus' own death as well."""
    bus = RedisBus(url)
    while not stop.is_set():
        try:
            await recorder(bus, stop, kept)
        except (RedisError, OSError):
            await asyncio.sleep(0.2)
    await bus.close()


async def _drive(
    bus: RedisBus, house: House, closes: int, supervisor: Supervisor, accidents: Accidents | None, result: ProcessRun
) -> None:
    """Step the exchange while accidents happen; what was stopped goes on at the end."""
    breaking = asyncio.ensure_future(_break(bus, supervisor, accidents, result)) if accidents else None
    try:
        count = await lockstep.drive(bus, house.simulator_url, closes=closes, settled=result.scans.append)
        if count < closes:
            result.violations.append(f"only {count} of {closes} scans settled")
    except (lockstep.NotSettledError, RedisError, OSError) as error:
        result.violations.append(f"the lockstep driver gave up: {error!r}")
    finally:
        if breaking is not None:
            breaking.cancel()
            await asyncio.gather(breaking, return_exceptions=True)


async def _break(bus: RedisBus, supervisor: Supervisor, accidents: Accidents, result: ProcessRun) -> None:
    """Strike again and again, at a moment when the target holds messages where that can be had."""
    source = random.Random(accidents.seed)
    valkey_left = accidents.valkey
    turns = source.sample(accidents.targets, len(accidents.targets)) * accidents.at_most
    for target in turns[: accidents.at_most]:
        await asyncio.sleep(source.expovariate(1 / accidents.every))
        if not supervisor.alive(target):
            continue
        service = target.rstrip("123456789")
        in_flight = await _holds_messages(bus, service)
        if accidents.stops and service in ("gatekeeper", "analyzer") and source.random() < 0.15:
            await _stop_and_resume(supervisor, target, result)
            continue
        supervisor.kill(target, signal.SIGKILL)
        result.struck[f"SIGKILL {service}{' in flight' if in_flight else ''}"] += 1
        result.kills[service] += in_flight
        if valkey_left and source.random() < 0.3:
            valkey_left = False
            supervisor.kill("valkey", signal.SIGKILL)
            result.struck["SIGKILL valkey"] += 1


async def _stop_and_resume(supervisor: Supervisor, target: str, result: ProcessRun) -> None:
    """Freeze a process beyond its lease, then let it go on."""
    pid = supervisor.pid(target)
    supervisor.kill(target, signal.SIGSTOP)
    result.struck[f"SIGSTOP {target.rstrip('123456789')}"] += 1
    try:
        await asyncio.sleep(LEASE_SECONDS + 2.0)
    finally:
        if supervisor.alive(target) and supervisor.pid(target) == pid:
            supervisor.kill(target, signal.SIGCONT)


async def _holds_messages(bus: RedisBus, service: str, seconds: float = 2.0) -> bool:
    """Wait until *service* has read messages that it has not committed; the deliverer holds marks instead."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if service == "deliverer":
            if await _open_marks(bus):
                return True
        else:
            group, streams = GROUP_OF[service]
            for stream in streams:
                if (await bus.redis.xpending(bus.key(stream), group))["pending"]:
                    return True
        await asyncio.sleep(0.003)
    return False


async def _open_marks(bus: RedisBus) -> bool:
    """Return whether a delivery has begun and not ended."""
    keys = [key async for key in bus.redis.scan_iter(match=bus.key("delivery:*"), count=500)]
    if not keys:
        return False
    async with bus.redis.pipeline(transaction=False) as pipe:
        for key in keys[-200:]:
            pipe.hget(key, "open")
        return b"1" in await pipe.execute()


async def _drained(kept: dict[Stream, list[Any]], result: ProcessRun) -> None:
    """Wait until every alert has an end."""
    deadline, quiet, seen = time.monotonic() + DRAIN_SECONDS, 0, -1
    left: set[str] = set()
    while time.monotonic() < deadline:
        ends = statuses(kept[Stream.DELIVERIES])
        left = {alert.alert_id for alert in kept[Stream.ALERTS]} - {name for name, end in ends.items() if end & ENDS}
        quiet = quiet + 1 if not left and seen == len(kept[Stream.ALERTS]) else 0
        seen = len(kept[Stream.ALERTS])
        if quiet >= QUIET_TURNS:  # the recorder may be behind the last scan
            return
        await asyncio.sleep(0.2)
    result.violations += [f"3: {name} has no end" for name in sorted(left)]


def _conclude(result: ProcessRun, kept: dict[Stream, list[Any]], sink: Sink) -> None:
    alerts = [alert for alert in kept[Stream.ALERTS] if alert.kind != "system"]
    result.alert_ids = {alert.alert_id for alert in alerts}
    result.signals = sum(alert.kind in ("signal", "group") for alert in alerts)
    result.received = Counter(sink.received)
    ends = statuses(kept[Stream.DELIVERIES])
    result.unknown = {name for name, end in ends.items() if "unknown" in end}
    result.violations += [f"4: {name} arrived {n} times" for name, n in result.received.items() if n > 1]
    sent = sum("sent" in end for end in ends.values())
    if not sent <= len(result.received) <= sent + len(result.unknown):
        result.violations.append(
            f"3: {sent} reported sent, {len(result.unknown)} unknown, {len(result.received)} arrived"
        )
    at_deadline = [scan.scan_id for scan in result.scans if scan.at_deadline]
    result.violations += [f"1: scan {scan} settled at its deadline" for scan in at_deadline]


def compare(reference: ProcessRun, other: ProcessRun) -> list[str]:
    """Return how the alerts of *other* differ from the undisturbed run's."""
    first = max(run.scans[0].scan_id for run in (reference, other) if run.scans) if reference.scans else 0
    same = [scan.scan_id for scan in reference.scans] == [scan.scan_id for scan in other.scans]
    return [
        *([] if same else [f"1: other scans, from {first}"]),
        *(f"1: missing {name}" for name in sorted(reference.alert_ids - other.alert_ids)),
        *(f"2: too many {name}" for name in sorted(other.alert_ids - reference.alert_ids)),
    ]
