"""The API's parts over a real Postgres and a real Valkey."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.api.__main__ import assemble
from services.api.app import create_app
from services.api.context import Context
from services.terminal.local import listening, stores
from shared.bus import RedisBus
from shared.config import local_secrets
from shared.config.environment import Environment
from shared.runtime.service import Service


@asynccontextmanager
async def assembled(valkey: str, database: str, folder: Path) -> AsyncIterator[Context]:
    """Give the API without its loops, so that a test takes each step itself."""
    environment = Environment(redis_url=valkey, database_url=database, config=Path("none.yaml"), data_dir=folder)
    bus = RedisBus(valkey)
    context = assemble(Service("api", environment, bus), {})
    try:
        yield context
    finally:
        context.service.stopping.set()
        await context.database.close()
        await bus.close()


@pytest.fixture
async def api(fresh_valkey: str, fresh_database: str, tmp_path: Path) -> AsyncIterator[Context]:
    """The API over an empty bus and an empty, migrated database."""
    async with assembled(fresh_valkey, fresh_database, tmp_path) as context:
        assert await context.database.start()
        yield context


@pytest.fixture
async def client(api: Context) -> AsyncIterator[httpx.AsyncClient]:
    """The command line of this machine."""
    await api.publisher.publish()
    transport = httpx.ASGITransport(app=create_app(api))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8710", headers=owner(api)) as client:
        yield client


def owner(api: Context) -> dict[str, str]:
    """Return what the command line sends."""
    return {"Authorization": f"Bearer {local_secrets.read(api.service.environment.data_dir, local_secrets.TOKEN)}"}


class OwnPostgres:
    """A Postgres that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = stores.postgres(folder, durable=False, port=listening.free_port())
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> str:
        self.process = await asyncio.to_thread(
            subprocess.Popen, self.store.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await asyncio.to_thread(stores.wait_for_postgres, self.store.url)
        return self.store.url

    async def stop(self) -> None:
        """Stop as an operator's restart does: connections are cut, transactions rolled back."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            await asyncio.to_thread(self.process.wait, 15)
            self.process = None


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[OwnPostgres]:
    """A Postgres of this test alone."""
    postgres = OwnPostgres(tmp_path / "postgres")
    await postgres.start()
    yield postgres
    await postgres.stop()
