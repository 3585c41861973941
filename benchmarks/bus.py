"""What the bus costs: a snapshot's bytes and encoding against compressed floats; commits together, and one by one.

Run: ``python -m benchmarks.bus [REDIS_URL]`` (the server's data are wiped; without an address it starts one).
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import zstandard

from services.terminal.local import stores
from shared.bus import Commit, RedisBus, from_wire, to_wire
from shared.contracts import (
    DAY_MS,
    INTERVALS,
    SCAN_MS,
    Bars,
    Derivatives,
    Floats,
    Interval,
    MarketSnapshot,
    Message,
    Points,
    PriceTick,
    Stream,
    decode,
    encode,
    pack,
)

SCAN = 150
BARS = 499
ROUNDS = 15
END = 1_757_376_000_000


def small() -> PriceTick:
    """About 300 B on the wire."""
    return PriceTick(at=1, prices={f"COIN{number}USDT": number + 0.5 for number in range(14)})


def bars(interval: Interval, seed: int, count: int = BARS) -> Floats:
    """Return *count* bars of a random walk with an exchange's decimals: ticks of 0.0001, lots of 0.1 coins."""
    chance = np.random.default_rng(seed)
    volatility = 0.0015 * (INTERVALS[interval] / SCAN_MS) ** 0.5
    close = np.rint(1e5 * np.exp(np.cumsum(chance.normal(0, volatility, count))))
    opened = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(opened, close) + np.rint(close * np.abs(chance.normal(0, volatility / 2, count)))
    low = np.minimum(opened, close) - np.rint(close * np.abs(chance.normal(0, volatility / 2, count)))
    volume = np.rint(chance.lognormal(14, 0.8, count) * INTERVALS[interval] / SCAN_MS)
    turnover = np.rint(volume * np.rint(low + (high - low) * chance.random(count))) / 1e5
    if interval != "5m":
        turnover[:] = np.nan
    times = END - INTERVALS[interval] * np.arange(count, 0, -1.0)
    taker = np.rint(volume * chance.uniform(0.3, 0.7, count)) / 10
    return np.array([times, *(np.array([opened, high, low, close]) / 1e4), volume / 10, turnover, taker])


def snapshot(number: int) -> MarketSnapshot:
    """Return a coin's snapshot with all that an exchange publishes but the order book."""
    chance = np.random.default_rng(number)
    times = END - SCAN_MS * np.arange(288, 0, -1.0)

    def points(start: float, step: float, places: int) -> Points:
        return Points.of(times, np.round(start + np.cumsum(chance.normal(0, step, 288)), places))

    return MarketSnapshot(
        symbol=f"C{number}USDT",
        scan_id=END,
        settings_version=1,
        tick_size=0.0001,
        bars={name: Bars.of(name, bars(name, 4 * number + at)) for at, name in enumerate(INTERVALS)},
        btc_close=pack(bars("5m", 10**6)[4]),
        derivatives=Derivatives(
            open_interest=points(4e7, 4e4, 1), global_ratio=points(1.5, 0.01, 4), top_ratio=points(1.8, 0.01, 4)
        ),
    )


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of *work*."""
    began = time.process_time()
    work()
    return time.process_time() - began


def wire_form() -> None:
    """Print a snapshot's bytes and what it costs to write and read it, against its floats compressed."""
    snapshots = [snapshot(number) for number in range(SCAN)]
    packed = [to_wire(one) for one in snapshots]
    floats = [zstandard.compress(encode(one), 1) for one in snapshots]
    rounds = [
        (
            seconds(lambda: [to_wire(one) for one in snapshots]),
            seconds(lambda: [from_wire(data) for data in packed]),
            seconds(lambda: [zstandard.compress(encode(one), 1) for one in snapshots]),
            seconds(lambda: [decode(zstandard.decompress(data)) for data in floats]),
        )
        for _ in range(ROUNDS)
    ]
    ours, theirs = sum(map(len, packed)), sum(map(len, floats))
    written, read, _, _ = (median(each) / SCAN * 1e6 for each in zip(*rounds, strict=True))
    ratio = median((to + of) / (plain_to + plain_of) for to, of, plain_to, plain_of in rounds)
    size = f"{ours / SCAN / 1e3:.1f} KB, {ours / theirs:.2f} × compressed floats"
    print(f"a snapshot of {len(INTERVALS)} × {BARS} bars: {size}")
    print(f"a scan of {SCAN}: {ours / 1e6:.2f} MB of snapshots, a day {ours * DAY_MS / SCAN_MS / 1e9:.2f} GB")
    print(f"CPU: {written:.0f} µs to write, {read:.0f} to read; together {ratio:.2f} × compressed floats")


async def microseconds(bus: RedisBus, message: Message, *, together: bool) -> float:
    """Return the best round's time for one message: read, then commit with one output of the same size."""
    best = float("inf")
    for _ in range(5):
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


async def commits(url: str) -> None:
    """Print what a message costs, read and committed."""
    bus = RedisBus(url)
    for name, message in (("small", small()), ("large", snapshot(1))):
        singly = await microseconds(bus, message, together=False)
        together = await microseconds(bus, message, together=True)
        print(
            f"{name}: {len(to_wire(message))} B on the wire; one by one {singly:.0f} µs a message, "
            f"{SCAN} together {together:.0f} µs, ratio {singly / together:.1f}"
        )
    await bus.close()


def main(url: str) -> None:
    wire_form()
    if url:
        asyncio.run(commits(url))
        return
    with TemporaryDirectory() as folder:
        store = stores.valkey(Path(folder), durable=False)
        server = subprocess.Popen(store.argv, stdout=subprocess.DEVNULL)
        try:
            stores.wait_for_valkey(store.url)
            asyncio.run(commits(store.url))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="")
    main(parser.parse_args().url)
