"""A whole feed for a test: the simulator over real sockets, an embedded Valkey, a real fetcher process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from services.fetcher.domain.derivatives import MarkPrice
from services.terminal.local.listening import free_port
from shared.bus import RedisBus
from shared.contracts import Floats, MarketSnapshot, Message, PriceTick, ScanOpened, SettingsChanged, Stream
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]


class Deaf:
    """A listener that keeps nothing."""

    def closed_bar(self, symbol: str, bar: Floats, event_time: int) -> None:
        """Leave a bar."""

    def prices(self, event_time: int, prices: dict[str, float]) -> None:
        """Leave prices."""

    def marks(self, event_time: int, marks: dict[str, MarkPrice]) -> None:
        """Leave marks."""


@dataclass
class Feed:
    """The running parts and what a test asks of them."""

    bus: RedisBus
    redis_url: str
    rest_url: str
    ws_url: str
    http: aiohttp.ClientSession
    speed: float
    fetchers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    settings_version: int = 0

    async def settings(self, **feed: Any) -> None:
        """Publish the runtime settings as the API would."""
        self.settings_version += 1
        value = {"universe": {"size": 20, "min_quote_volume": 0}, "feed": {"grace_seconds": 1.0} | feed}
        await self.bus.publish_settings(SettingsChanged(version=self.settings_version, value=value, at=0))

    def start_fetcher(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a fetcher process."""
        settings = {
            "SEVENGATE_REDIS_URL": self.redis_url,
            "SEVENGATE_BINANCE_REST_URL": self.rest_url,
            "SEVENGATE_BINANCE_WS_URL": self.ws_url,
            "SEVENGATE_FEAR_GREED_URL": f"{self.rest_url}/fng/",
            "SEVENGATE_CLOCK_SPEED": str(self.speed),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "services.fetcher"], cwd=ROOT, env=os.environ | settings | environment
        )
        self.fetchers.append(process)
        return process

    async def fault(self, name: str, symbol: str | None = None, seconds: float | None = None) -> None:
        """Turn a fault on."""
        body: dict[str, Any] = {"name": name}
        if symbol is not None:
            body["symbol"] = symbol
        if seconds is not None:
            body["seconds"] = seconds
        async with self.http.post(f"{self.rest_url}/sim/faults", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def clear(self) -> None:
        """Turn all faults off."""
        async with self.http.post(f"{self.rest_url}/sim/faults", json={"clear": True}) as answer:
            assert answer.status == 200, await answer.text()

    async def status(self) -> dict[str, Any]:
        """Return what the simulator counts."""
        async with self.http.get(f"{self.rest_url}/sim/status") as answer:
            status: dict[str, Any] = await answer.json()
            return status

    async def step(self) -> int:
        """Go to the next close in lockstep; return it."""
        async with self.http.post(f"{self.rest_url}/sim/step") as answer:
            return int((await answer.json())["close"])

    async def scan(self, scan_id: int = 0, *, patience: float = PATIENCE_S) -> ScanOpened:
        """Return the opening of *scan_id* (0: the first) once all of its snapshots are there."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for opened in await self.all(Stream.SCANS):
                if isinstance(opened, ScanOpened) and scan_id in {0, opened.scan_id}:
                    held = await self.snapshots(opened.scan_id)
                    if set(held) == set(opened.symbols):
                        return opened
            await asyncio.sleep(0.05)
        raise AssertionError(f"no complete scan {scan_id} within {patience} s")

    async def next_scan(self) -> ScanOpened:
        """Step to the next close and return its scan."""
        return await self.scan(await self.step())

    async def all(self, stream: Stream) -> list[Message]:
        """Return everything that is on *stream*."""
        found: list[Message] = []
        after = "0-0"
        while page := await self.bus.tail({stream: after}, block_ms=0):
            found += [message for _, _, message in page]
            after = page[-1][1]
        return found

    async def scans(self) -> list[ScanOpened]:
        """Return the openings on the bus."""
        return [message for message in await self.all(Stream.SCANS) if isinstance(message, ScanOpened)]

    async def snapshots(self, scan_id: int) -> dict[str, MarketSnapshot]:
        """Return the snapshots of *scan_id* by symbol."""
        return {
            message.symbol: message
            for message in await self.all(Stream.SNAPSHOTS)
            if isinstance(message, MarketSnapshot) and message.scan_id == scan_id
        }

    async def ticks(self) -> list[PriceTick]:
        """Return the ticks on the bus."""
        return [message for message in await self.all(Stream.TICKS) if isinstance(message, PriceTick)]

    def stop(self) -> None:
        """End the fetchers."""
        for process in self.fetchers:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.fetchers:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Exchange:
    """A running simulator."""

    url: str
    ws_url: str


def start_simulator(*arguments: str) -> tuple[subprocess.Popen[str], Exchange]:
    """Start a simulator on a free port; return it when it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.simulator", "--port", "0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 4 * PATIENCE_S)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        raise AssertionError("the simulator did not start")
    told = json.loads(line)
    return process, Exchange(told["url"], told["websocket"])


@asynccontextmanager
async def listening(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve *handle* on a free port; yield its host and port."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Lead one way of a connection on until it ends."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def http_proxy(target: str) -> AsyncIterator[tuple[str, list[str]]]:
    """Run an HTTP proxy that leads everything to *target*; yield its address and the first lines it was sent."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first = head.split(b"\r\n")[0].decode()
        seen.append(first)
        host, _, port = target.partition(":")
        there, back = await asyncio.open_connection(host, int(port))
        if first.startswith("CONNECT"):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            back.write(re.sub(rb"^(\w+) http://[^/]+", rb"\1 ", head))
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()


@pytest.fixture
def simulator_arguments() -> tuple[str, ...]:
    """How the simulator runs; tests override it by parametrizing."""
    return ("--symbols", "8", "--seed", "3", "--lockstep")


@pytest.fixture
def exchange(simulator_arguments: tuple[str, ...]) -> Iterator[Exchange]:
    """A simulator of the test's own."""
    process, running = start_simulator(*simulator_arguments)
    yield running
    process.terminate()
    process.wait(10)


@pytest.fixture
async def feed(fresh_valkey: str, exchange: Exchange, simulator_arguments: tuple[str, ...]) -> AsyncIterator[Feed]:
    """Simulator and Valkey, settings published; the test starts the fetchers."""
    speed = 0.0
    if "--speed" in simulator_arguments:
        speed = float(simulator_arguments[simulator_arguments.index("--speed") + 1])
    bus = RedisBus(fresh_valkey)
    async with aiohttp.ClientSession() as http:
        running = Feed(bus, fresh_valkey, exchange.url, exchange.ws_url, http, speed)
        await running.settings()
        yield running
        running.stop()
    await bus.close()
