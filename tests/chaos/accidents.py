"""The accidents of a run with real processes: what strikes whom after which scan, all from the run's number."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import psutil
from redis.exceptions import RedisError

from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.webhook_sink import Sink
from shared.bus import RedisBus
from shared.runtime.consumer import CLAIM_AFTER_MS
from shared.runtime.leader import LEASE_MS
from tests.chaos.buses import Servers
from tests.chaos.buses.sentinel import LOSSES, Loss
from tests.chaos.proxy import CUTS, Cut, Proxy

#: words of the command by which a service commits, so that a kill or a cut falls while it holds messages
COMMITS: Final[dict[str, tuple[bytes, ...]]] = {
    "analyzer": (b"EVALSHA", b"}:analyses"),
    "gatekeeper": (b"EVALSHA", b"}:decisions"),
    "notifier": (b"EVALSHA", b"}:alerts"),
    "deliverer": (b"EVALSHA", b"delivery:"),
    "fetcher": (b"EVALSHA", b"}:snapshots"),
    "evaluator": (b"EVALSHA", b"}:outcomes"),
}
READS: Final = (b"XREADGROUP",)
TAKEOVER_SECONDS: Final = 15.0
PATIENCE: Final = 20.0  #: that an accident waits for its moment
LONGEST: Final = 60.0  #: that an accident lasts, a master that hangs among them
KINDS: Final = ("stops", "cuts", "fetcher", "valkey", "kills")
PASSING: Final = "analyzer1"  #: takes a new name at every start: others claim what it held
LASTING: Final = ("analyzer2", "analyzer3")  #: find what they held under their own name


class SlowSink(Sink):
    """Takes a webhook and, when asked to, delays its answer; keeps when each came."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[tuple[float, str]] = []  #: monotonic time, alert
        self.taken, self.answering = asyncio.Event(), asyncio.Event()
        self.answering.set()

    async def _take(self, request):  # type: ignore[no-untyped-def]
        answer = await super()._take(request)
        self.arrivals.append((time.monotonic(), self.received[-1]))
        self.taken.set()
        await self.answering.wait()
        return answer


@dataclass
class Scene:
    """Where accidents happen, and the count of those that really did."""

    bus: RedisBus
    supervisor: Supervisor
    proxy: Proxy
    sink: SlowSink
    servers: Servers
    settled: Callable[[], int]  #: how many scans have settled
    source: random.Random
    struck: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)  #: of services in flight
    violations: list[str] = field(default_factory=list)
    failovers: list[tuple[float, float]] = field(default_factory=list)  #: from when until when, monotonic

    async def active_gatekeeper(self) -> str:
        """Return which of the two holds the lease."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                owner = (await self.bus.redis.get(self.bus.key("lease:gatekeeper")) or b"").decode()
                break
            except RedisError:  # there is no master at this moment
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
        return "gatekeeper2" if owner.startswith("gatekeeper2-") else "gatekeeper"


Accident = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Strike:
    """Accidents that happen together."""

    after_scan: int
    accidents: Sequence[Accident]


def plan(number: int) -> tuple[str, list[Strike]]:
    """Return the kind and the strikes of run *number*.

    What takes longest to heal comes first: a job whose worker died in it, then an analyzer without a lasting name.
    """
    source, kind = random.Random(f"accidents:{number}"), KINDS[(number - 1) % len(KINDS)]
    one, two = source.sample(LASTING, 2)
    special: dict[str, tuple[Sequence[Accident], ...]] = {
        "stops": ((stop_gatekeeper, stop(two)), (cut("notifier"), kill("evaluator")), (kill("gatekeeper"),)),
        "cuts": (
            (cut("gatekeeper"), cut_every("fetcher"), kill("deliverer")),
            (cut("gatekeeper"), cut(one), cut("notifier"), cut_every(two), cut("deliverer")),
            (cut("gatekeeper"), cut(two), cut_every("notifier"), cut("evaluator")),
        ),
        "fetcher": ((kill("gatekeeper"), kill("deliverer")), (kill("fetcher"),), (kill("fetcher"), kill("notifier"))),
        "valkey": ((kill("gatekeeper"), kill("evaluator")), (kill_valkey,), (kill_valkey, kill(one))),
        "kills": (
            (kill("gatekeeper"), kill_in_mid_send),
            (kill(one), kill(two), kill("evaluator")),
            (kill("notifier"), kill(two), kill("evaluator")),
        ),
    }
    first, second, third = special[kind]
    return kind, [
        Strike(source.randint(1, 3), (kill_in_mid_send, kill("notifier"))),
        Strike(source.randint(4, 6), (kill(PASSING), *first)),
        Strike(source.randint(8, 10), second),
        Strike(source.randint(12, 14), third),
    ]


def failover_plan(number: int) -> tuple[str, list[Strike]]:
    """Return the kind and the strikes of run *number* on servers of which one takes another's place."""
    source, loss = random.Random(f"failovers:{number}"), LOSSES[(number - 1) % len(LOSSES)]
    one, two = source.sample(LASTING, 2)
    return loss, [
        Strike(source.randint(1, 3), (kill_in_mid_send, kill("notifier"))),
        Strike(source.randint(4, 6), (lose_master(loss),)),
        Strike(source.randint(8, 10), (kill("gatekeeper"), cut(one), cut_every("notifier"))),
        Strike(source.randint(12, 14), (lose_master(loss), kill(two), kill("evaluator"))),
    ]


async def happen(scene: Scene, strikes: Sequence[Strike]) -> None:
    """Let the strikes happen, each after its scan; return when the last accident is over."""
    tasks: list[asyncio.Task[None]] = []
    try:
        for strike in strikes:
            while scene.settled() < strike.after_scan:
                await asyncio.sleep(0.01)
            for accident in strike.accidents:
                await asyncio.sleep(scene.source.uniform(0, 0.1))
                tasks.append(asyncio.ensure_future(accident(scene)))
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        scene.sink.answering.set()


def kill(target: str) -> Accident:
    """Return SIGKILL of *target* while it commits, on either side of the commit."""

    async def accident(scene: Scene) -> None:
        service = target.rstrip("123456789")
        cut: Cut = scene.source.choice(("before the command", "before the answer"))
        victim = target if service != "gatekeeper" else await scene.active_gatekeeper()
        in_flight = await scene.proxy.cut(victim, cut, COMMITS[service], PATIENCE)
        _kill(scene.supervisor, victim)
        scene.struck[f"SIGKILL {service} {cut if in_flight else 'idle'}"] += 1
        scene.kills[service] += in_flight

    return accident


async def kill_in_mid_send(scene: Scene) -> None:
    """Kill the deliverer between the sink's taking an alert and its answer."""
    scene.sink.taken.clear()
    scene.sink.answering.clear()
    try:
        await asyncio.wait_for(scene.sink.taken.wait(), PATIENCE)
    except TimeoutError:
        return
    else:
        await asyncio.to_thread(_kill, scene.supervisor, "deliverer")
        scene.struck["SIGKILL deliverer in mid-send"] += 1
        scene.kills["deliverer"] += 1
    finally:
        scene.sink.answering.set()


def _kill(supervisor: Supervisor, target: str) -> None:
    """Kill *target* and what it has started; return when all are gone."""
    try:
        started = psutil.Process(supervisor.pid(target)).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for child in started:
        child.kill()
    supervisor.kill(target, signal.SIGKILL)
    psutil.wait_procs(started, 2.0)


async def stop_gatekeeper(scene: Scene) -> None:
    """Freeze the active gatekeeper while it commits, beyond its lease; the other has to take over."""
    target = await scene.active_gatekeeper()
    await scene.proxy.cut(target, "before the answer", READS, PATIENCE)
    began = time.monotonic()
    resume = asyncio.ensure_future(_frozen(scene, target, LEASE_MS / 1_000 + 3.0))
    try:
        while await scene.active_gatekeeper() == target:
            await asyncio.sleep(0.05)
            if time.monotonic() - began > TAKEOVER_SECONDS:
                scene.violations.append(f"the standby did not take over within {TAKEOVER_SECONDS:g} s")
                return
        scene.struck["standby took over"] += 1
    finally:
        await resume


def stop(target: str) -> Accident:
    """Return SIGSTOP of an analyzer that has just read, until others have claimed what it holds."""

    async def accident(scene: Scene) -> None:
        service = target.rstrip("123456789")
        await scene.proxy.cut(target, "before the command", COMMITS[service], PATIENCE)
        await _frozen(scene, target, CLAIM_AFTER_MS / 1_000 + 2.0)

    return accident


async def _frozen(scene: Scene, target: str, seconds: float) -> None:
    pid = scene.supervisor.pid(target)
    scene.supervisor.kill(target, signal.SIGSTOP)
    scene.struck[f"SIGSTOP {target.rstrip('123456789')}"] += 1
    try:
        await asyncio.sleep(seconds)
    finally:
        if scene.supervisor.alive(target) and scene.supervisor.pid(target) == pid:
            scene.supervisor.kill(target, signal.SIGCONT)


def cut(target: str) -> Accident:
    """Return the loss of one connection of *target*, at a commit or a read."""

    async def accident(scene: Scene) -> None:
        service = target.rstrip("123456789")
        victim = target if service != "gatekeeper" else await scene.active_gatekeeper()
        how = scene.source.choice(CUTS)
        words = READS if service != "deliverer" and scene.source.random() < 0.4 else COMMITS[service]
        if await scene.proxy.cut(victim, how, words, PATIENCE):
            scene.struck[f"cut {how}"] += 1
            scene.struck[f"connection of {service} cut"] += 1

    return accident


def cut_every(target: str) -> Accident:
    """Return the loss of all connections of *target* at once."""

    async def accident(scene: Scene) -> None:
        scene.struck["cut all at once"] += bool(scene.proxy.cut_all(target))
        scene.struck[f"connection of {target.rstrip('123456789')} cut"] += 1

    return accident


async def kill_valkey(scene: Scene) -> None:
    """Kill the bus while the gatekeeper commits; it comes back from its append-only file."""
    await scene.proxy.cut(await scene.active_gatekeeper(), "before the answer", COMMITS["gatekeeper"], PATIENCE)
    scene.supervisor.kill("valkey", signal.SIGKILL)
    scene.struck["SIGKILL valkey"] += 1


def lose_master(loss: Loss) -> Accident:
    """Return the loss of the bus's master while the gatekeeper commits; another server takes its place."""

    async def accident(scene: Scene) -> None:
        await scene.proxy.cut(await scene.active_gatekeeper(), "before the answer", COMMITS["gatekeeper"], PATIENCE)
        began = time.monotonic()
        await scene.servers.fail_over(loss)
        scene.failovers.append((began, time.monotonic()))
        scene.struck[f"failover, master {loss}"] += 1

    return accident
