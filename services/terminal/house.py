"""The whole house on one machine: the stores, the services, and in which order they come and go."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import httpx

from services.terminal import stores
from services.terminal.supervisor import Supervisor
from shared.settings import Environment

WORKERS: Final = ("fetcher", "gatekeeper", "notifier", "notifier.deliverer")
READY_SECONDS: Final = 60.0
HOPELESS_STARTS: Final = 2  #: restarts before it ever answered: it will not
NO_BUS: Final = "nothing runs here (./sevengate demo or up), and SEVENGATE_REDIS_URL names no bus"
BUS_ADDRESS: Final = "redis-url"
API_ADDRESS: Final = "api-url"


class HouseError(Exception):
    """The house cannot be opened; the text says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """What is to run here, and where it keeps its data."""

    folder: Path
    config: Path
    api_port: int
    analyzers: int = 1
    services: tuple[str, ...] = ("api", *WORKERS)
    durable: bool = True
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


def choose_port(wanted: int, say: Callable[[str], None]) -> int:
    """Return *wanted* if nobody listens there, else a free port, and say so."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
            return wanted
        except OSError:
            pass
    port = stores.free_port()
    say(f"port {wanted} is taken; the dashboard is on {port} this time (SEVENGATE_API_PORT chooses)")
    return port


class House:
    """Opens the house and closes it; an async context manager."""

    def __init__(self, plan: Plan, supervisor: Supervisor, *, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.supervisor = supervisor
        self.environment: dict[str, str] = {}
        self.simulator_url = ""
        self._say = say
        self._lock: IO[str] | None = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.plan.api_port}"

    @property
    def redis_url(self) -> str:
        return self.environment["SEVENGATE_REDIS_URL"]

    async def __aenter__(self) -> Self:
        self._lock = claim(self.plan.folder, self.api_url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self, simulator: SimulatorPlan | None = None) -> None:
        """Start everything; return when the API answers."""
        await self.open_stores()
        if simulator is not None:
            await self.open_simulator(simulator)
        await self.open_services()

    async def open_stores(self) -> None:
        """Start the embedded stores, or take those that were named."""
        plan = self.plan
        self.environment = {
            "SEVENGATE_CONFIG": str(plan.config),
            "SEVENGATE_DATA_DIR": str(plan.folder),
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
        await asyncio.gather(self._open_valkey(), self._open_postgres())
        # so that the other commands find the house that runs here
        write_address(self.plan.folder / BUS_ADDRESS, self.redis_url)
        write_address(self.plan.folder / API_ADDRESS, self.api_url)

    async def _open_valkey(self) -> None:
        if self.plan.redis_url:
            return
        password = stores.password_in(self.plan.folder, stores.VALKEY_PASSWORD)
        store = stores.valkey(self.plan.folder / "valkey", durable=self.plan.durable, password=password)
        await self.supervisor.start("valkey", store.argv)
        await asyncio.to_thread(stores.wait_for_valkey, store.url)
        self.environment["SEVENGATE_REDIS_URL"] = store.url

    async def _open_postgres(self) -> None:
        if self.plan.database_url or "api" not in self.plan.services:
            return
        password = stores.password_in(self.plan.folder, stores.POSTGRES_PASSWORD)
        prepare = lambda: stores.postgres(  # noqa: E731
            self.plan.folder / "postgres", durable=self.plan.durable, password=password
        )
        store = await asyncio.to_thread(prepare)
        await self.supervisor.start("postgres", store.argv, stop_signal=signal.SIGINT)
        await asyncio.to_thread(stores.wait_for_postgres, store.url)
        self.environment["SEVENGATE_DATABASE_URL"] = store.url

    async def open_simulator(self, simulator: SimulatorPlan) -> None:
        """Start the simulated exchange and point every service at it."""
        port = stores.free_port()
        self.simulator_url = f"http://127.0.0.1:{port}"
        self.environment |= {
            "SEVENGATE_BINANCE_REST_URL": self.simulator_url,
            "SEVENGATE_BINANCE_WS_URL": f"ws://127.0.0.1:{port}",
            "SEVENGATE_FEAR_GREED_URL": f"{self.simulator_url}/fng/",
            "SEVENGATE_CLOCK_SPEED": "0" if simulator.lockstep else f"{simulator.speed:g}",
        }
        kept = ["--clock-file", str(self.plan.folder / "exchange-clock")]  # one that died does not go back in time
        await self.supervisor.start("simulator", [*simulator.argv(port), *kept], self.environment)
        await self.answers(f"{self.simulator_url}/sim/status", "simulator")

    async def open_services(self) -> None:
        """Start the services that exist; return when the API answers."""
        for name in self.plan.services:
            if exists(name):
                await self.supervisor.start(name.rpartition(".")[2], module(name), self.environment)
            else:
                self._say(f"services.{name} cannot be started: it is not there")
        for number in range(1, self.plan.analyzers + 1):
            await self.supervisor.start(f"analyzer{number}", module("analyzer"), self.environment)
        if "api" in self.plan.services and exists("api"):
            await self.answers(f"{self.api_url}/health", "api")

    async def answers(self, url: str, name: str, seconds: float = READY_SECONDS) -> None:
        """Return when *url* of the process *name* answers anything but a server's error; else raise `HouseError`."""
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(timeout=2.0) as client:
            while time.monotonic() < deadline:
                if self.supervisor.restarts(name) >= HOPELESS_STARTS:
                    raise HouseError(f"the {name} ends as soon as it starts; its lines above say why")
                with suppress(httpx.HTTPError):
                    if (await client.get(url)).status_code < 500:
                        return
                await asyncio.sleep(0.1)
        raise HouseError(f"the {name} did not answer within {seconds:g} s; its lines above say why")

    async def close(self) -> None:
        """Stop the services, then the exchange and the stores: what is in flight can still be stored."""
        last = ("simulator", "valkey", "postgres")
        await self.supervisor.stop_all([name for name in self.supervisor.names() if name not in last])
        await self.supervisor.stop_all(last)
        for name in (BUS_ADDRESS, API_ADDRESS):
            (self.plan.folder / name).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def claim(folder: Path, url: str) -> IO[str]:
    """Take *folder* for this process; raise `HouseError` when another one uses it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise HouseError(
            f"{folder} is in use by {holder}: stop that one first, or give this one its own SEVENGATE_DATA_DIR"
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} ({url})")
    file.flush()
    return file


def empty(folder: Path, url: str) -> None:
    """Remove what an earlier run left in *folder*; raise `HouseError` when it is in use."""
    claim(folder, url).close()
    for path in folder.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_address(path: Path, address: str) -> None:
    """Write *address*, which may carry a password, where only its owner reads it."""
    path.touch(mode=0o600)
    path.write_text(address, encoding="utf-8")


def known_redis() -> str:
    """Return the bus that the environment names, or that of the house that runs here; empty without one."""
    environment = Environment()
    if any(os.environ.get(name) for name in ("SEVENGATE_REDIS_URL", "SEVENGATE_REDIS_URL_FILE")):
        return environment.redis_url
    return running_redis(environment.data_dir)


def running_redis(data_dir: Path) -> str:
    """Return the address of the bus of the house that runs on *data_dir*, or of its demo; empty without one."""
    return _address(data_dir, BUS_ADDRESS)


def running_api(data_dir: Path) -> str:
    """Return the address of the API of the house that runs on *data_dir*, or of its demo; empty without one."""
    return _address(data_dir, API_ADDRESS)


def _address(data_dir: Path, name: str) -> str:
    for folder in (data_dir, data_dir / "demo"):
        with suppress(OSError):
            return (folder / name).read_text(encoding="utf-8")
    return ""
