"""A whole Sevengate on one machine: the stores and the services, started and stopped in order."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from urllib.parse import urlsplit

import httpx

from services.terminal.local import data_folder, listening, stores
from services.terminal.local.processes.supervisor import Supervisor
from shared.config.environment import reachable

WORKERS: Final = ("fetcher", "gatekeeper", "evaluator", "notifier", "notifier.deliverer")
LAST: Final = ("simulator", "valkey", "postgres")  #: these end after the services
READY_SECONDS: Final = 120.0  #: all begin side by side; what ends instead of starting is noticed at once
FUTILE_STARTS: Final = 2  #: restarts before the first answer, then the start fails
DEFAULT_PORT: Final = 8710  #: of the dashboard
METRICS_PORT: Final = 9101  #: the first one beside the default dashboard
METRICS_TARGETS: Final = "metrics.json"  #: as Prometheus reads it (`file_sd_configs`)


class LocalStackError(Exception):
    """The local stack failed to start; the text says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """What is to run here, and where it keeps its data."""

    folder: Path
    config: Path
    api_port: int
    analyzers: int = 1
    services: tuple[str, ...] = ("api", *WORKERS)
    durable: bool = True
    api_host: str = "127.0.0.1"
    redis_url: str = ""  #: empty: embedded
    database_url: str = ""  #: empty: embedded
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SimulatorPlan:
    """The simulated exchange."""

    symbols: int = 50
    seed: int = 7
    speed: float = 300.0
    replay: Path | None = None
    lockstep: bool = False
    extra: tuple[str, ...] = ()

    def argv(self, port: int) -> list[str]:
        """Return the simulator's command line."""
        argv = [*module("simulator"), "--port", str(port), "--symbols", str(self.symbols), "--seed", str(self.seed)]
        argv += ["--lockstep"] if self.lockstep else ["--speed", f"{self.speed:g}"]
        argv += ["--replay", str(self.replay)] if self.replay else []
        return [*argv, *self.extra]


def module(name: str) -> list[str]:
    """Return the command line of the service *name*."""
    return [sys.executable, "-m", f"services.{name}"]


def exists(name: str) -> bool:
    """Return whether the service *name* can be started."""
    path = f"services.{name}"
    with suppress(ModuleNotFoundError):
        return importlib.util.find_spec(path if "." in name else f"{path}.__main__") is not None
    return False


async def together(*work: Awaitable[None]) -> None:
    """Do all of *work* side by side; where one fails, cancel the others and raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class LocalStack:
    """Starts everything in order and stops it again; an async context manager."""

    def __init__(self, plan: Plan, supervisor: Supervisor, *, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.supervisor = supervisor
        self.environment: dict[str, str] = {}
        self.simulator_url = ""
        self.metrics_ports: dict[str, int] = {}
        self._postgres_port = 0  #: 0: no embedded one
        self._say = say
        self._lock: IO[str] | None = None

    @property
    def api_url(self) -> str:
        """Where the API answers on this machine."""
        return reachable(self.plan.api_host, self.plan.api_port)

    @property
    def redis_url(self) -> str:
        """Where the bus answers."""
        return self.environment["SEVENGATE_REDIS_URL"]

    async def __aenter__(self) -> Self:
        self._lock = data_folder.claim(self.plan.folder, self.api_url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, simulator: SimulatorPlan | None = None) -> None:
        """Start everything, side by side; return when the exchange and the API answer."""
        self._set_environment()
        self._place_postgres()
        exchange = [] if simulator is None else [asyncio.ensure_future(self.start_simulator(simulator))]
        await together(self._start_postgres(), self._start_valkey_and_services(exchange), *exchange)
        self._write_addresses()

    async def start_stores(self) -> None:
        """Start the embedded stores, or use those that the environment names."""
        self._set_environment()
        self._place_postgres()
        await together(self._start_valkey(), self._start_postgres())
        self._write_addresses()

    def _set_environment(self) -> None:
        plan = self.plan
        self.environment = {
            "SEVENGATE_CONFIG": str(plan.config),
            "SEVENGATE_DATA_DIR": str(plan.folder),
            "SEVENGATE_API_HOST": plan.api_host,
            "SEVENGATE_API_PORT": str(plan.api_port),
            "SEVENGATE_API_URL": self.api_url,
            "SEVENGATE_METRICS_PORT": "0",
            "SEVENGATE_LOG_FORMAT": "json",
            "SEVENGATE_REDIS_URL": plan.redis_url,
            "SEVENGATE_DATABASE_URL": plan.database_url,
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **plan.environment,
        }

    def _write_addresses(self) -> None:
        """Note where the stores and the API are, so that the other commands find what runs here."""
        folder = self.plan.folder
        data_folder.write_private(folder / data_folder.BUS_ADDRESS, self.redis_url)
        data_folder.write_private(folder / data_folder.API_ADDRESS, self.api_url)
        data_folder.write_private(folder / data_folder.DATABASE_ADDRESS, self.environment["SEVENGATE_DATABASE_URL"])

    async def _start_valkey_and_services(self, exchange: Sequence[asyncio.Future[None]]) -> None:
        """Start Valkey, then the services; the fetcher when *exchange* has started."""
        await self._start_valkey()
        await self.start_services(exchange)

    async def _start_valkey(self) -> None:
        if self.plan.redis_url:
            return
        password = stores.password_in(self.plan.folder, stores.VALKEY_PASSWORD)
        store = stores.valkey(self.plan.folder / "valkey", durable=self.plan.durable, password=password)
        await self.supervisor.start("valkey", store.argv, repair=self._begin_empty)
        await asyncio.to_thread(stores.wait_for_valkey, store.url)
        self.environment["SEVENGATE_REDIS_URL"] = store.url

    def _begin_empty(self, code: int, lines: Sequence[str]) -> None:
        """Set aside the files that Valkey will never load; the API restores from Postgres what was in them."""
        try:
            aside = stores.set_aside_unreadable(self.plan.folder / "valkey", code, lines)
        except OSError as error:
            self._say(f"Valkey cannot read its file, which cannot be set aside: {error}")
            return
        if aside is not None and aside.name.startswith(stores.APPEND_ONLY):
            kept = f"Valkey's append-only file is broken: set aside as {aside}"
            self._say(f"{kept}; Valkey starts empty, Postgres restores the state")
        elif aside is not None:
            self._say(f"the windows of an earlier scan are broken: set aside as {aside}; they are loaded anew")

    def _place_postgres(self) -> None:
        """Choose where Postgres will answer, so that the API can be started beside it."""
        if self.plan.database_url or "api" not in self.plan.services:
            return
        self._postgres_port = listening.free_port()
        password = stores.password_in(self.plan.folder, stores.POSTGRES_PASSWORD)
        self.environment["SEVENGATE_DATABASE_URL"] = stores.postgres_url(self._postgres_port, password)

    async def _start_postgres(self) -> None:
        if not self._postgres_port:
            return
        folder, durable = self.plan.folder, self.plan.durable
        password = stores.password_in(folder, stores.POSTGRES_PASSWORD)
        store = await asyncio.to_thread(
            stores.postgres, folder / "postgres", port=self._postgres_port, durable=durable, password=password
        )
        # what is not durable need not be made whole before it ends
        await self.supervisor.start("postgres", store.argv, stop_signal=signal.SIGINT if durable else signal.SIGQUIT)
        await asyncio.to_thread(stores.wait_for_postgres, store.url)

    async def start_simulator(self, simulator: SimulatorPlan) -> None:
        """Start the simulated exchange and point every service at it."""
        port = listening.free_port()
        self.simulator_url = f"http://127.0.0.1:{port}"
        self.environment |= {
            "SEVENGATE_BINANCE_REST_URL": self.simulator_url,
            "SEVENGATE_BINANCE_WS_URL": f"ws://127.0.0.1:{port}",
            "SEVENGATE_FEAR_GREED_URL": f"{self.simulator_url}/fng/",
            "SEVENGATE_CLOCK_SPEED": "0" if simulator.lockstep else f"{simulator.speed:g}",
        }
        kept = ["--clock-file", str(self.plan.folder / "exchange-clock")]  # its clock never goes back
        await self.supervisor.start("simulator", [*simulator.argv(port), *kept], self.environment)
        await self.wait_for_answer(f"{self.simulator_url}/sim/status", "simulator")

    async def start_services(self, exchange: Sequence[asyncio.Future[None]] = ()) -> None:
        """Start the services, the fetcher when *exchange* is done; return when the API answers."""
        absent = [name for name in self.plan.services if not exists(name)]
        for name in absent:
            self._say(f"services.{name} cannot be started: it is not there")
        started = [(name.rpartition(".")[2], module(name)) for name in self.plan.services if name not in absent]
        started += [(f"analyzer{number}", module("analyzer")) for number in range(1, self.plan.analyzers + 1)]
        self.metrics_ports = self._choose_metrics_ports([name for name, _ in started])
        await together(*(self._start_service(name, argv, exchange) for name, argv in started))
        if "api" in self.metrics_ports:
            await self.wait_for_answer(f"{self.api_url}/health", "api")

    async def _start_service(self, name: str, argv: list[str], exchange: Sequence[asyncio.Future[None]]) -> None:
        if name == "fetcher" and exchange:
            await asyncio.wait(exchange)
        port = {"SEVENGATE_METRICS_PORT": str(self.metrics_ports[name])}
        await self.supervisor.start(name, argv, {**self.environment, **port})

    def _choose_metrics_ports(self, names: list[str]) -> dict[str, int]:
        """Return a port for each service's metrics, and list them in the data folder for Prometheus."""
        # others run on ports of their own: below those of outgoing connections, and not all in one place
        first = METRICS_PORT if self.plan.api_port == DEFAULT_PORT else random.randrange(10_000, 30_000, 50)
        ports = dict(zip(names, listening.free_ports(first, len(names)), strict=True))
        targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"service": name}} for name, port in ports.items()]
        data_folder.write_private(self.plan.folder / METRICS_TARGETS, json.dumps(targets, indent=1))
        return ports

    async def wait_for_answer(self, url: str, name: str, seconds: float = READY_SECONDS) -> None:
        """Return when *url* of the process *name* answers below 500; else raise `LocalStackError`."""
        deadline = time.monotonic() + seconds
        address = urlsplit(url)
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                if self.supervisor.refused(name):
                    raise LocalStackError(f"the {name} does not start with these settings; its lines above say why")
                if self.supervisor.restarts(name) >= FUTILE_STARTS:
                    raise LocalStackError(f"the {name} ends as soon as it starts; its lines above say why")
                # a connection is cheap to try while the process still imports
                with suppress(httpx.HTTPError):
                    if (
                        listening.answers(str(address.hostname), address.port or 80)
                        and (await client.get(url)).status_code < 500
                    ):
                        return
                await asyncio.sleep(0.05)
        raise LocalStackError(f"the {name} did not answer within {seconds:g} s; its lines above say why")

    async def kill_services(self) -> None:
        """End the services at once; the stores and the exchange go on."""
        await self.supervisor.stop_all(self._services(), at_once=True)

    async def kill(self) -> None:
        """End everything, without the patience of `close`: nothing that it holds is wanted any more."""
        await self._stop(at_once=True)

    async def close(self) -> None:
        """Stop the services, then the exchange and the stores, so that messages in flight can still be stored."""
        await self._stop()
        for name in (data_folder.BUS_ADDRESS, data_folder.API_ADDRESS, data_folder.DATABASE_ADDRESS, METRICS_TARGETS):
            (self.plan.folder / name).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _services(self) -> list[str]:
        return [name for name in self.supervisor.names() if name not in LAST]

    async def _stop(self, *, at_once: bool = False) -> None:
        await self.supervisor.stop_all(self._services(), at_once=at_once)
        await self.supervisor.stop_all(LAST, at_once=at_once)
