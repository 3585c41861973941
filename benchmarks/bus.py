"""How long a commit takes: 150 together against one by one, small and large messages.

Run: ``python -m benchmarks.bus REDIS_URL`` (the server's data are wiped).
"""

from __future__ import annotations

import asyncio
import sys
import time

import numpy as np

from shared.bus import Commit, RedisBus, to_wire
from shared.contracts import Bars, MarketSnapshot, PriceTick, Stream

SCAN = 150
ROUNDS = 5


def small() -> PriceTick:
    """About 300 B on the wire."""
    return PriceTick(at=1, prices={f"COIN{number}USDT": number + 0.5 for number in range(14)})


def large() -> MarketSnapshot:
    """A walk of 499 bars of one interval: about 32 KB before compression."""
    walk = 100 + np.random.default_rng(7).normal(size=(8, 499)).cumsum(axis=1).round(2)
    return MarketSnapshot(
        symbol="BTCUSDT", scan_id=1, settings_version=1, tick_size=0.1, bars={"5m": Bars.of("5m", walk)}, btc_close=b""
    )


async def microseconds(bus: RedisBus, message: PriceTick | MarketSnapshot, *, together: bool) -> float:
    """Return the best round's time for one message: read, then commit with one output of the same size."""
    best = float("inf")
    for _ in range(ROUNDS):
        await bus.redis.flushall()
        await bus.ensure_group(Stream.ANALYSES, "g")
        await bus.publish(Stream.ANALYSES, [message] * SCAN)
        started = time.perf_counter()
        deliveries = await bus.read("g", "c", [Stream.ANALYSES], count=SCAN, block_ms=0)
        assert len(deliveries) == SCAN
        commits = [Commit([one.token], [(Stream.DECISIONS, one.message)]) for one in deliveries]
        for batch in [commits] if together else [[commit] for commit in commits]:
            await bus.commit_all(batch)
        best = min(best, time.perf_counter() - started)
    return best / SCAN * 1e6


async def main(url: str) -> None:
    bus = RedisBus(url)
    for name, message in (("small", small()), ("large", large())):
        singly = await microseconds(bus, message, together=False)
        together = await microseconds(bus, message, together=True)
        print(
            f"{name}: {len(to_wire(message))} B on the wire; one by one {singly:.0f} µs a message, "
            f"{SCAN} together {together:.0f} µs, ratio {singly / together:.1f}"
        )
    await bus.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
