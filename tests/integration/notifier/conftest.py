"""A running notifier and deliverer on an emptied Valkey, with local sinks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.notifier.cli import sample_alerts as samples
from services.terminal.local.listening import free_port
from shared.bus import RedisBus
from shared.contracts import Alert, DeliveryReport, Mute, MutesChanged, SettingsChanged, StateRestored, Stream
from shared.settings import RuntimeSettings
from tests.integration.notifier.sinks import BotApi, Sink
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "123456:ABC-fake"
LOCAL = ["127.0.0.1/32"]
API_KEY = "k" * 43


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Stage:
    """The notifier's processes, and what a test does with them."""

    def __init__(self, url: str, telegram_url: str, sink: Sink, bot_api: BotApi) -> None:
        self.bus = RedisBus(url)
        self.sink, self.bot_api = sink, bot_api
        self.version = 0
        self.environment = {
            **os.environ,
            "SEVENGATE_REDIS_URL": url,
            "SEVENGATE_TELEGRAM_API_URL": telegram_url,
            "SEVENGATE_TELEGRAM_TOKEN": TOKEN,
            "SEVENGATE_LOG_FORMAT": "console",
            "SEVENGATE_METRICS_PORT": "0",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, module: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", module], env=self.environment, cwd=ROOT)
        self.processes.append(process)
        return process

    async def configure(self, *, restored: tuple[str, ...] = (), **value: Any) -> None:
        """Publish settings as the API does."""
        self.version += 1
        delivery = {"timeout_seconds": 30.0, **value.pop("delivery", {})}
        settings = RuntimeSettings.model_validate({"delivery": delivery, **value}).dump()
        await self.bus.publish_settings(SettingsChanged(version=self.version, value=settings, at=now_ms()))
        await self.bus.publish_settings(MutesChanged(version=self.version, mutes=()))
        await self.bus.publish_settings(StateRestored(version=self.version, delivered=restored))

    async def route(self, **destinations: dict[str, Any]) -> None:
        """Publish settings with these destinations, each of which gets everything."""
        await self.configure(destinations=destinations, routes=[{"destinations": list(destinations)}])

    async def mute(self, *mutes: Mute) -> None:
        self.version += 1
        await self.bus.publish_settings(MutesChanged(version=self.version, mutes=mutes))

    async def tell(self, *alerts: Alert) -> None:
        await self.bus.publish(Stream.ALERTS, alerts)

    async def reports(self) -> list[DeliveryReport]:
        found = await self.bus.tail({Stream.DELIVERIES: "0-0"}, count=10_000, block_ms=1)
        return [message for _, _, message in found if isinstance(message, DeliveryReport)]

    async def until(
        self, condition: Callable[[list[DeliveryReport]], bool], seconds: float = PATIENCE_S
    ) -> list[DeliveryReport]:
        """Wait until the reports fulfil *condition*; fail with what there is after *seconds*."""
        deadline = time.monotonic() + seconds
        while True:
            reports = await self.reports()
            if condition(reports):
                return reports
            said = [
                (report.alert_id, report.destination, report.status, report.reason, report.detail) for report in reports
            ]
            assert time.monotonic() < deadline, said
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        """End the processes, and wait for what they have to say."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    async def close(self) -> None:
        await asyncio.to_thread(self.stop)
        await self.bus.close()

    def webhook(self, path: str = "/hook", sink: Sink | None = None, **more: Any) -> dict[str, Any]:
        """Return the settings of a webhook destination at the sink."""
        return {"channel": "webhook", "url": (sink or self.sink).url + path, "allow": LOCAL, **more}


@asynccontextmanager
async def real_api(stage: Stage, database: str, folder: Path, config: str) -> AsyncIterator[httpx.AsyncClient]:
    """Start the API with *config* as its config.yaml, point the stage's next processes at it, and give a client."""
    port, path = free_port(), folder / "config.yaml"
    path.write_text(config)
    url = f"http://127.0.0.1:{port}"
    stage.environment |= {
        "SEVENGATE_DATABASE_URL": database,
        "SEVENGATE_DATA_DIR": str(folder / "data"),
        "SEVENGATE_CONFIG": str(path),
        "SEVENGATE_API_PORT": str(port),
        "SEVENGATE_API_URL": url,
        "SEVENGATE_API_KEY": API_KEY,
    }
    stage.start("services.api")
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[Sink]:
    server = await Sink().start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def bot_api() -> AsyncIterator[BotApi]:
    server = BotApi()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def idle_stage(fresh_valkey: str, sink: Sink, bot_api: BotApi) -> AsyncIterator[Stage]:
    """A stage on which no process runs yet."""
    stage = Stage(fresh_valkey, bot_api.url, sink, bot_api)
    yield stage
    await stage.close()


@pytest_asyncio.fixture
async def stage(idle_stage: Stage) -> Stage:
    """A stage with one notifier and one deliverer."""
    idle_stage.start("services.notifier")
    idle_stage.start("services.notifier.deliverer")
    return idle_stage


@pytest.fixture
def fresh_signal() -> Alert:
    """A signal of this moment."""
    return samples.signal(created_at=now_ms())
