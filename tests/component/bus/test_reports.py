"""What processes say of themselves on the bus."""

from __future__ import annotations

import time

from shared.bus import RedisBus, ServiceReport
from shared.bus.reports import SILENT_MS


async def test_the_living_are_listed_and_the_silent_forgotten(fresh_valkey: str) -> None:
    """The newest word of each instance counts; one that ended or fell silent has said nothing."""
    bus, now = RedisBus(fresh_valkey), time.time_ns() // 1_000_000
    one = ServiceReport(service="fetcher", instance="a", at=now, remarks=("a request is retired",))
    await bus.reports.put(ServiceReport(service="fetcher", instance="a", at=now - 1, waiting_for="start"))
    await bus.reports.put(one)
    await bus.reports.put(ServiceReport(service="gatekeeper", instance="b", at=now - SILENT_MS - 1))
    await bus.reports.put(ServiceReport(service="notifier", instance="c", at=now))
    await bus.reports.take_back("c")
    await bus.redis.hset(bus.key("service-reports"), "d", b"of another version")
    assert await bus.reports.all() == [one]
    assert await bus.redis.hkeys(bus.key("service-reports")) == [b"a"]
    await bus.close()
