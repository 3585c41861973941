"""`demo` and `up`: run the whole local stack until it is stopped."""

from __future__ import annotations

import asyncio
import os
import time
import webbrowser
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from services.terminal.checks import stores as store_checks
from services.terminal.checks.exchange import HOW_TO_GO_ON, unreachable
from services.terminal.commands.expected import EXPECTED
from services.terminal.local import data_folder, listening, lockstep, stream_tail
from services.terminal.local.processes.forker import Forker
from services.terminal.local.processes.stopping import run_until, stop_signals, unless
from services.terminal.local.processes.supervisor import Supervisor
from services.terminal.local.stack import METRICS_TARGETS, LocalStack, LocalStackError, Plan, SimulatorPlan
from services.terminal.local.webhook_sink import Sink
from services.terminal.output import api_client, overrides
from services.terminal.output.alert_feed import AlertFeed
from services.terminal.output.console import Screen
from shared.bus import Bus, RedisBus
from shared.config import config_file, local_secrets
from shared.config.environment import Environment
from shared.contracts import ScanSettled, Stream
from shared.settings import RuntimeSettings


@dataclass
class Options:
    """The options of `demo` and `up`."""

    analyzers: int = 1
    browser: bool = True
    seconds: float | None = None  #: stop after this long
    as_json: bool = False
    quiet: bool = False
    port: int = 0  #: 0: SEVENGATE_API_PORT
    forker: Forker | None = None  #: starts the services


@dataclass
class RunFigures:
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
    """Run everything against a simulated exchange; return the exit code."""
    screen = Screen(quiet=options.quiet, to_stderr=options.as_json)
    environment = Environment()
    folder = environment.data_dir / "demo"
    try:
        data_folder.empty(folder, "a demo")
        host, wanted = environment.api_host, options.port or environment.api_port
        port = wanted if listening.is_free(host, wanted) else listening.free_port(host)
        if port != wanted:
            screen.say(f"port {wanted} is taken; this demo's dashboard is on {port} (--port chooses)", "yellow")
        async with Sink() as sink:
            config = write_config(folder / "config.yaml", sink, simulator)
            plan = Plan(folder, config, port, options.analyzers, durable=False, api_host=host)
            return await _live(plan, options, screen, simulator=simulator, sink=sink)
    except EXPECTED as error:
        screen.say(f"{error}", "bold red")
        return 1


async def up(options: Options, *, anyway: bool = False) -> int:
    """Run everything against the exchange itself; return the exit code."""
    screen = Screen(quiet=options.quiet, to_stderr=options.as_json)
    environment = Environment()
    try:
        plan = prepared(environment, options)
        problem = await unreachable(environment.binance_rest_url)
        if problem and not anyway:
            screen.say(problem, "bold red")
            screen.say(HOW_TO_GO_ON, "")
            return 3
        if notice := no_destinations(environment.config):
            screen.say(notice, "yellow")
        return await _live(plan, options, screen)
    except EXPECTED as error:
        screen.say(f"{error}", "bold red")
        return 1


def prepared(environment: Environment, options: Options) -> Plan:
    """Return the plan for `up` after every check that needs nothing running; raise one of `EXPECTED`."""
    config_file.load(environment.config)
    host, port = environment.api_host, options.port or environment.api_port
    data_folder.claim(environment.data_dir, "a check").close()
    if not listening.is_free(host, port):
        raise listening.ListenError(
            f"port {port} is taken (is Sevengate running already?): stop what uses it,"
            f" or choose another with --port {port + 1} or SEVENGATE_API_PORT"
        )
    redis_url = environment.redis_url if data_folder.is_set("REDIS_URL") else ""
    database_url = environment.database_url.get_secret_value() if data_folder.is_set("DATABASE_URL") else ""
    store_checks.require(redis_url, database_url, environment)
    return Plan(
        environment.data_dir,
        environment.config,
        port,
        options.analyzers,
        api_host=host,
        redis_url=redis_url,
        database_url=database_url,
    )


def no_destinations(config: Path) -> str:
    """Return a sentence if *config* has no destinations or no routes, else an empty string."""
    settings = RuntimeSettings.model_validate(config_file.load(config))
    if settings.routes:
        return ""
    if not config.exists():
        return f"No alert destinations are configured: {config} does not exist (run ./sevengate init)"
    return f"No alert destinations are configured: {config} has no routes; alerts are on the dashboard only"


def write_config(path: Path, sink: Sink, simulator: SimulatorPlan) -> Path:
    """Write the demo's config.yaml: the defaults, and one destination on this machine."""
    config: dict[str, Any] = {"destinations": {"demo": sink.destination}, "routes": [{"destinations": ["demo"]}]}
    if simulator.symbols > 150:
        config["universe"] = {"size": simulator.symbols}
    data_folder.write_private(path, yaml.safe_dump(config, sort_keys=False))
    return path


async def _live(
    plan: Plan,
    options: Options,
    screen: Screen,
    *,
    simulator: SimulatorPlan | None = None,
    sink: Sink | None = None,
) -> int:
    """Start the local stack, show its alerts until it is asked to stop, stop it."""
    figures = RunFigures(time.monotonic())
    lines = AlertFeed(screen.say, started=figures.started)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        supervisor = await stack.enter_async_context(Supervisor(screen.log, forker=options.forker))
        local = await stack.enter_async_context(LocalStack(plan, supervisor, say=screen.warn))
        if not await unless(stop, local.start(simulator)):
            return 0
        figures.ready_seconds = time.monotonic() - figures.started
        _welcome(local, options, screen, figures)
        if simulator is None:
            await _list_overrides(screen)
        bus = RedisBus(local.redis_url, Environment().market)
        stack.push_async_callback(bus.close)
        background = [lines.follow(bus), _count(bus, figures)]
        if simulator is not None and simulator.lockstep:
            background.append(_step(bus, local, screen))
        await run_until(stop, options.seconds, background)
        screen.say("stopping")
    _farewell(options, screen, figures, lines, sink)
    return 0


def _welcome(local: LocalStack, options: Options, screen: Screen, figures: RunFigures) -> None:
    screen.say(f"Sevengate is at {local.api_url}  (ready after {figures.ready_seconds:.1f} s; press Ctrl-C to stop)")
    ports = ", ".join(f"{name} {port}" for name, port in local.metrics_ports.items())
    screen.say(f"Metrics on 127.0.0.1: {ports}; for Prometheus: {local.plan.folder / METRICS_TARGETS}", "dim")
    if options.browser and _has_browser():
        token = local_secrets.read(local.plan.folder, local_secrets.TOKEN)
        webbrowser.open(f"{local.api_url}/#token={token}")  # a fragment stays in the browser


async def _list_overrides(screen: Screen) -> None:
    """Print the settings that override config.yaml: editing those in the file has no effect."""
    try:
        found = (await asyncio.to_thread(api_client.request, "GET", "/api/config/changes"))["items"]
    except api_client.ApiError as error:
        screen.warn(f"what overrides config.yaml is not known: {error}")
        return
    for item in found:
        screen.warn(f"overrides config.yaml: {overrides.line(item)}; ./sevengate config reset {item['path']}")


def _has_browser() -> bool:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.name != "posix"):
        return False
    with suppress(webbrowser.Error):
        return webbrowser.get() is not None
    return False


def _farewell(options: Options, screen: Screen, figures: RunFigures, lines: AlertFeed, sink: Sink | None) -> None:
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


async def _count(bus: Bus, figures: RunFigures) -> None:
    after = "0-0"
    while True:
        for _, entry_id, event in await stream_tail.news(bus, {Stream.SCANS: after}):
            after = entry_id
            if isinstance(event, ScanSettled):
                figures.take(event)


async def _step(bus: Bus, local: LocalStack, screen: Screen) -> None:
    """Drive the exchange once the fetcher listens."""
    if not await lockstep.exchange_ready(local.simulator_url, 120.0):
        raise LocalStackError(
            "the fetcher did not subscribe to the exchange's bars within 120 s; the lines above say why"
        )
    count = await lockstep.drive(bus, local.simulator_url)
    screen.say(f"the replay has ended after {count} scans; press Ctrl-C to stop")
    await asyncio.Event().wait()
