"""The buses that must behave alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from shared.bus import RedisBus
from shared.bus.memory import MemoryBus
from shared.contracts import Stream


@dataclass
class World:
    """A bus and what can happen to it from outside."""

    bus: RedisBus | MemoryBus

    async def add_raw(self, stream: Stream, data: bytes) -> None:
        if isinstance(self.bus, MemoryBus):
            self.bus.add_raw(stream, data)
        else:
            await self.bus.redis.xadd(self.bus.key(stream), {"d": data})

    async def wipe(self) -> None:
        if isinstance(self.bus, MemoryBus):
            self.bus.wipe()
        else:
            await self.bus.redis.flushall()

    async def trim_all(self, stream: Stream) -> None:
        if isinstance(self.bus, MemoryBus):
            self.bus.trim(stream, "99999999999999-0")
        else:
            await self.bus.redis.xtrim(self.bus.key(stream), maxlen=0, approximate=False)

    async def length(self, stream: Stream) -> int:
        return (await self.bus.backlog(stream, "nobody")).length


@pytest_asyncio.fixture(params=["memory", "valkey", "redis7"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """An empty bus of each kind."""
    if request.param == "memory":
        yield World(MemoryBus())
        return
    bus = RedisBus(request.getfixturevalue(f"{request.param}_url"))
    await bus.redis.flushall()
    yield World(bus)
    await bus.close()
