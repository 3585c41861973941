"""`demo` and `up`: the whole house until somebody says stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import webbrowser
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import yaml

from services.terminal import following, lockstep, stores
from services.terminal import house as houses
from services.terminal.alerts import AlertLines
from services.terminal.console import Screen
from services.terminal.house import House, HouseError, Plan, SimulatorPlan
from services.terminal.sink import Sink
from services.terminal.supervisor import StartError, Supervisor
from shared.bus import Bus, RedisBus
from shared.contracts import ScanSettled, Stream
from shared.settings import Environment

EXPECTED = (HouseError, StartError, stores.StoreError, lockstep.NotSettledError, httpx.HTTPError, OSError)


@dataclass
class Options:
    """What the person asked of `demo` and `up`."""

    analyzers: int = 1
    browser: bool = True
    seconds: float | None = None  #: stop after this long
    as_json: bool = False
    quiet: bool = False
    port: int = 0  #: 0: SEVENGATE_API_PORT


@dataclass
class Figures:
    """What happened, for `--json` and the last lines."""

    started: float
    ready_seconds: float | None = None
    scans: int = 0
    analysed: int = 0
    settle_seconds: list[float] = field(default_factory=list)

    def take(self, scan: ScanSettled) -> None:
        """Count one settled scan."""
        self.scans += 1
        self.analysed += scan.analysed
        self.settle_seconds.append(scan.seconds)


async def demo(options: Options, simulator: SimulatorPlan) -> int:
    """Run the house against a simulated exchange; return the exit code."""
    screen = Screen(quiet=options.quiet, to_stderr=options.as_json)
    environment = Environment()
    folder = environment.data_dir / "demo"
    try:
        port = houses.choose_port(options.port or environment.api_port, lambda text: screen.say(text, "yellow"))
        houses.empty(folder, f"http://127.0.0.1:{port}")
        async with Sink() as sink:
            config = write_config(folder / "config.yaml", sink, simulator)
            plan = Plan(folder, config, port, options.analyzers, durable=False)
            return await _live(plan, options, screen, simulator=simulator, sink=sink)
    except EXPECTED as error:
        screen.say(f"{error}", "bold red")
        return 1


async def up(options: Options, *, anyway: bool = False) -> int:
    """Run the house against the exchange itself; return the exit code."""
    screen = Screen(quiet=options.quiet, to_stderr=options.as_json)
    environment = Environment()
    problem = await unreachable(environment.binance_rest_url)
    if problem and not anyway:
        screen.say(problem, "bold red")
        screen.say(HOW_TO_GO_ON, "")
        return 3
    if not environment.config.exists():
        screen.say(
            f"{environment.config} does not exist: defaults, and nobody is told (./sevengate init makes one)", "yellow"
        )
    try:
        port = houses.choose_port(options.port or environment.api_port, lambda text: screen.say(text, "yellow"))
        plan = Plan(
            environment.data_dir,
            environment.config,
            port,
            options.analyzers,
            redis_url=os.environ.get("SEVENGATE_REDIS_URL", ""),
            database_url=os.environ.get("SEVENGATE_DATABASE_URL", ""),
        )
        return await _live(plan, options, screen)
    except EXPECTED as error:
        screen.say(f"{error}", "bold red")
        return 1


HOW_TO_GO_ON = """How to go on:
  make demo                    the same with a simulated exchange, nothing leaves this machine
  SEVENGATE_BINANCE_REST_URL and SEVENGATE_BINANCE_WS_URL   where a mirror or a proxy of yours answers
  ./sevengate up --anyway      start all the same; the fetcher keeps trying"""


async def unreachable(url: str) -> str:
    """Return why the exchange at *url* cannot be used, or nothing."""
    try:
        async with httpx.AsyncClient(timeout=10.0) as client:
            answer = await client.get(f"{url.rstrip('/')}/fapi/v1/ping")
    except httpx.HTTPError as error:
        return f"Binance cannot be reached at {url} ({type(error).__name__}): is this machine offline?"
    if answer.status_code == httpx.codes.UNAVAILABLE_FOR_LEGAL_REASONS:
        return f"Binance does not serve this region (HTTP 451 from {url})."
    if answer.status_code in (httpx.codes.FORBIDDEN, 418, httpx.codes.TOO_MANY_REQUESTS):
        return f"Binance refuses this address for now (HTTP {answer.status_code} from {url})."
    if answer.status_code >= httpx.codes.BAD_REQUEST:
        return f"Binance answers HTTP {answer.status_code} at {url}."
    return ""


def write_config(path: Path, sink: Sink, simulator: SimulatorPlan) -> Path:
    """Write the demo's config.yaml: everything as shipped, one destination on this machine."""
    config: dict[str, Any] = {"destinations": {"demo": sink.destination}, "routes": [{"destinations": ["demo"]}]}
    if simulator.symbols > 150:
        config["universe"] = {"size": simulator.symbols}
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


async def _live(
    plan: Plan,
    options: Options,
    screen: Screen,
    *,
    simulator: SimulatorPlan | None = None,
    sink: Sink | None = None,
) -> int:
    """Open the house, follow it until it is to stop, close it."""
    figures = Figures(time.monotonic())
    lines = AlertLines(screen.say, started=figures.started)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        supervisor = await stack.enter_async_context(Supervisor(screen.log))
        house = await stack.enter_async_context(House(plan, supervisor, say=lambda text: screen.say(text, "yellow")))
        if not await unless(stop, house.open(simulator)):
            return 0
        figures.ready_seconds = time.monotonic() - figures.started
        _welcome(house, options, screen, figures)
        bus = RedisBus(house.redis_url)
        stack.push_async_callback(bus.close)
        background = [lines.follow(bus), _count(bus, figures)]
        if simulator is not None and simulator.lockstep:
            background.append(_step(bus, house, screen))
        await _until(stop, options.seconds, background)
        screen.say("stopping")
    _farewell(options, screen, figures, lines, sink)
    return 0


def _welcome(house: House, options: Options, screen: Screen, figures: Figures) -> None:
    screen.say(f"Sevengate is at {house.api_url}  (ready after {figures.ready_seconds:.1f} s; Ctrl-C stops it)")
    if options.browser and _has_browser():
        webbrowser.open(house.api_url)


def _has_browser() -> bool:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.name != "posix"):
        return False
    with suppress(webbrowser.Error):
        return webbrowser.get() is not None
    return False


def _farewell(options: Options, screen: Screen, figures: Figures, lines: AlertLines, sink: Sink | None) -> None:
    report = {
        "ready_seconds": figures.ready_seconds,
        "first_signal_seconds": lines.first_alert_seconds,
        "first_delivery_seconds": lines.first_delivery_seconds,
        "scans": figures.scans,
        "analysed": figures.analysed,
        "settle_seconds_median": _median(figures.settle_seconds),
        "settle_seconds_max": max(figures.settle_seconds, default=None),
        "alerts": lines.alerts,
        "delivered": lines.delivered,
        "received": len(sink.received) if sink is not None else None,
        "received_twice": len(sink.received) - len(set(sink.received)) if sink is not None else None,
    }
    if options.as_json:
        print(msgspec.json.encode(report).decode(), flush=True)
    else:
        received = f", {len(sink.received)} received" if sink is not None else ""
        screen.say(f"{figures.scans} scans, {lines.alerts} alerts, {lines.delivered} delivered{received}")


def _median(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


async def _count(bus: Bus, figures: Figures) -> None:
    after = "0-0"
    while True:
        for _, entry_id, event in await following.news(bus, {Stream.SCANS: after}):
            after = entry_id
            if isinstance(event, ScanSettled):
                figures.take(event)


async def _step(bus: Bus, house: House, screen: Screen) -> None:
    """Drive the exchange once the fetcher listens."""
    if not await lockstep.exchange_ready(house.simulator_url, 120.0):
        raise HouseError("nobody subscribed to the exchange's bars within 120 s; the lines above say why")
    count = await lockstep.drive(bus, house.simulator_url)
    screen.say(f"the replay has ended after {count} scans; Ctrl-C stops the house")
    await asyncio.Event().wait()


@asynccontextmanager
async def stop_signals() -> AsyncIterator[asyncio.Event]:
    """Give an event that Ctrl-C and SIGTERM set; a second Ctrl-C is not needed."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do *work* unless *stop* is set before it is done; return whether it was done."""
    return not await _until(stop, None, [work])


async def _until(stop: asyncio.Event, seconds: float | None, work: list[Coroutine[Any, Any, None]]) -> bool:
    """Run *work* until one of it ends, *stop* is set or *seconds* are over; return whether stop was set."""
    tasks = [asyncio.ensure_future(item) for item in work]
    stopping = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait({*tasks, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()  # a failure is told rather than swallowed
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        with contextlib.suppress(Exception):
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
    return stop.is_set()
