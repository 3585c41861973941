"""Following the bus through a restart of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from services.terminal.local import stream_tail
from shared.contracts import Message, ScanOpened, Stream
from tests.memory_bus import MemoryBus

OPENED = ScanOpened(scan_id=300_000, symbols=(), settings_version=1, opened_at=300_000)


class Restarting(MemoryBus):
    """A bus that does not answer the first time it is asked."""

    asked = 0

    async def tail(
        self, after: Mapping[Stream, str], *, count: int = 256, block_ms: int = 2_000
    ) -> list[tuple[Stream, str, Message]]:
        self.asked += 1
        if self.asked == 1:
            raise RedisConnectionError("Connection refused")
        return await super().tail(after, count=count, block_ms=block_ms)


async def test_a_bus_that_is_started_again_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it does not answer there is no news; afterwards the news come."""
    monkeypatch.setattr(stream_tail, "PAUSE_S", 0.01)
    bus = Restarting()
    [entry_id] = await bus.publish(Stream.SCANS, [OPENED])
    assert await stream_tail.news(bus, {Stream.SCANS: "0-0"}) == []
    assert await stream_tail.news(bus, {Stream.SCANS: "0-0"}) == [(Stream.SCANS, entry_id, OPENED)]
