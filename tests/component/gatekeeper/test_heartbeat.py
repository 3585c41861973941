"""The heartbeat at a real server: it comes while the gatekeeper works, and its failure harms nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from services.gatekeeper import heartbeat
from services.terminal.local.listening import free_port
from shared.config.environment import Environment
from shared.runtime.service import Service
from shared.settings import RuntimeSettings
from tests.memory_bus import MemoryBus
from tests.patience import until

SECRET = "/ping/5ecre7"
LOCAL = ("127.0.0.0/8",)


class Monitor:
    """The outside address: a dead-man's switch on the loopback."""

    def __init__(self) -> None:
        self.port = free_port()
        self.calls: list[str] = []
        self.status = 200
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{SECRET}"

    async def open(self) -> None:
        async def take(request: web.Request) -> web.Response:
            self.calls.append(f"{request.headers['Host']}{request.path}")
            return web.Response(status=self.status, headers={"Location": "/elsewhere"})

        app = web.Application()
        app.add_routes([web.get("/{path:.*}", take)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def called(self, times: int = 1) -> None:
        """Return when it was called *times* more often."""
        wanted = len(self.calls) + times

        async def enough() -> bool:
            return len(self.calls) >= wanted

        await until(enough)


@pytest.fixture
async def monitor() -> AsyncIterator[Monitor]:
    made = Monitor()
    await made.open()
    yield made
    await made.close()


@asynccontextmanager
async def beating(url: str, allow: tuple[str, ...] = LOCAL) -> AsyncIterator[Service]:
    """Send heartbeats every 20 ms, as an active gatekeeper would every minute."""
    service = Service("gatekeeper", Environment(), MemoryBus())
    service.settings.settings = RuntimeSettings.model_construct(
        heartbeat_url=RuntimeSettings(heartbeat_url=url, heartbeat_allow=(*LOCAL, *allow)).heartbeat_url,
        heartbeat_seconds=0.02,
        heartbeat_allow=allow,
    )
    service.beat()
    task = asyncio.ensure_future(heartbeat.send_heartbeats(service))
    try:
        yield service
        assert not task.done(), "the heart has stopped"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_it_comes_while_the_active_one_works_and_only_then(monitor: Monitor) -> None:
    """A standby, or one that waits for its bus, is silent: so the outside notices."""
    async with beating(monitor.url) as service:
        await monitor.called(2)
        service.beat("the lease: another instance is active")
        await asyncio.sleep(0.1)
        before = len(monitor.calls)
        await asyncio.sleep(0.3)
        assert len(monitor.calls) == before
        service.beat()
        await monitor.called()
    assert set(monitor.calls) == {f"127.0.0.1:{monitor.port}{SECRET}"}


async def test_a_monitor_that_is_down_or_answers_badly_harms_nothing(monitor: Monitor) -> None:
    """Calls go on, arrive when it is back, follow no redirect, and the secret address is in no log."""
    with capture_logs() as logs:
        async with beating(monitor.url):
            await _ups_and_downs(monitor)
    assert {entry["event"] for entry in logs} == {"the heartbeat did not arrive"}
    assert "5ecre7" not in repr(logs)
    assert not [call for call in monitor.calls if "elsewhere" in call]


async def _ups_and_downs(monitor: Monitor) -> None:
    await monitor.called()
    await monitor.close()
    await asyncio.sleep(0.2)
    await monitor.open()
    await monitor.called()
    for status in (500, 302):
        monitor.status = status
        await monitor.called(2)


async def test_an_address_of_the_inside_is_not_called_unless_it_is_allowed(monitor: Monitor) -> None:
    """Neither literally nor by a name that leads there, and it cannot be saved."""
    with pytest.raises(ValueError, match="not public"):
        RuntimeSettings(heartbeat_url=monitor.url)
    for url in (monitor.url, monitor.url.replace("127.0.0.1", "localhost")):
        async with beating(url, allow=()):
            await asyncio.sleep(0.2)
    assert monitor.calls == []


async def test_it_goes_through_the_proxy_that_the_environment_names(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one rule of all outgoing requests: what only a proxy reaches is called through it."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{monitor.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    name = socket.gethostname()
    allow = tuple(str(item[4][0]) for item in socket.getaddrinfo(name, 9))
    async with beating(f"http://{name}:9{SECRET}", allow):
        await monitor.called(2)
    assert set(monitor.calls) == {f"{name}:9{SECRET}"}


def test_it_is_off_as_shipped() -> None:
    """No outside address is called as shipped."""
    shipped: Any = RuntimeSettings()
    assert shipped.heartbeat_url.get_secret_value() == ""
