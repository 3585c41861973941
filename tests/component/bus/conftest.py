"""The buses that must behave alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from shared.bus import RedisBus
from shared.bus.connection import client
from shared.contracts import Stream
from tests.conftest import SecuredRedis
from tests.memory_bus import MemoryBus


@dataclass
class World:
    """A bus and what can happen to it from outside."""

    bus: RedisBus | MemoryBus
    admin: Any = None  #: a client with all rights; None in memory

    async def add_raw(self, stream: Stream, data: bytes) -> str:
        if isinstance(self.bus, MemoryBus):
            return self.bus.add_raw(stream, data)
        added: bytes = await self.bus.redis.xadd(self.bus.key(stream), {"d": data})
        return added.decode()

    async def wipe(self) -> None:
        if isinstance(self.bus, MemoryBus):
            self.bus.wipe()
        else:
            await self.admin.flushall()

    async def trim_all(self, stream: Stream) -> None:
        if isinstance(self.bus, MemoryBus):
            self.bus.trim(stream, "99999999999999-0")
        else:
            await self.bus.redis.xtrim(self.bus.key(stream), maxlen=0, approximate=False)

    async def length(self, stream: Stream) -> int:
        return (await self.bus.backlog(stream, "nobody")).length


@pytest_asyncio.fixture(params=["memory", "valkey", "redis7", "tls"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """An empty bus of each kind; the last one speaks TLS with a user who may touch what is Sevengate's alone."""
    if request.param == "memory":
        yield World(MemoryBus())
        return
    if request.param == "tls":
        secured: SecuredRedis = request.getfixturevalue("secured_redis")
        url, admin = secured.url, client(secured.admin_url)
    else:
        url = request.getfixturevalue(f"{request.param}_url")
        admin = client(url)
    bus = RedisBus(url)
    await admin.flushall()
    yield World(bus, admin)
    await bus.close()
    await admin.aclose()
