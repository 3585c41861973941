"""The fetcher's figures, each as a ratio or a count of one run, against the simulator on loopback.

    python -m benchmarks.feed [parse] [cold] [warm] [close] [memory]     (all without a name)

parse   a klines answer of 499 bars, and a month of five-minute bars as the exchange publishes it, to
        float arrays: this fetcher's way against json, csv and float() a cell
cold    150 symbols × 4 intervals × 998 bars to float arrays: this fetcher's loader against a plain
        one with 12 threads of `requests` and float() a cell
warm    requests and weight of a warm scan, with streams and over REST alone, 150 symbols
close   wall time from the last closed bar's frame to the last snapshot published, 150 and 600 symbols
memory  resident set of the fetcher's process after that, 150 and 600 symbols
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import aiohttp
import numpy as np
import psutil
import requests

from services.fetcher.binance.rest import BinanceRest
from services.fetcher.binance.rest_messages import KLINE_COLUMNS, parse_klines
from services.fetcher.binance.weight_ledger import WeightLedger
from services.fetcher.feed.backfill import recent_bars
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.history.archive import read_dump
from services.terminal.local import stores
from shared.bus import RedisBus
from shared.contracts import (
    FULL_BARS,
    INTERVALS,
    SCAN_MS,
    Interval,
    MarketSnapshot,
    ScanOpened,
    SettingsChanged,
    Stream,
)
from tests.integration.fetcher.conftest import Feed, start_simulator

HOUR_MS = 3_600_000
START_MS = 1_768_176_000_000  # a UTC midnight


@asynccontextmanager
async def feed_of(symbols: int, speed: float, *more: str, **feed: Any) -> AsyncIterator[Feed]:
    """Run a simulator and Valkey; publish settings that watch all *symbols*."""
    with tempfile.TemporaryDirectory() as folder:
        store = stores.valkey(Path(folder), durable=False)
        valkey = Popen(store.argv, stdout=DEVNULL)  # noqa: ASYNC220
        stores.wait_for_valkey(store.url)
        arguments = ["--symbols", str(symbols), *(["--lockstep"] if speed == 0 else ["--speed", str(speed)]), *more]
        simulator, exchange = start_simulator(*arguments)
        bus = RedisBus(store.url)
        try:
            async with aiohttp.ClientSession() as http:
                running = Feed(bus, store.url, exchange.url, exchange.ws_url, http, speed)
                value = {"universe": {"size": 600, "min_quote_volume": 0}, "feed": feed}
                running.settings_version = 1
                await bus.publish_settings(SettingsChanged(version=1, value=value, at=0))
                try:
                    yield running
                finally:
                    running.stop()
        finally:
            await bus.close()
            simulator.terminate()
            valkey.terminate()


def parse() -> None:
    """Parse the same bytes both ways, in turn; the best of twenty."""
    prices = np.sort(np.random.default_rng(1).uniform(1, 9e4, (8_928, 4)))
    rows: list[list[Any]] = []
    for number, (low, opened, close, high) in enumerate(prices):
        at = START_MS + number * SCAN_MS
        bar = [f"{price:.2f}" for price in (opened, high, low, close)]
        taken = [at + SCAN_MS - 1, "351923638.03910", 85_022, "2415.052", "164090858.68940", "0"]
        rows.append([at, *bar, "5179.117", *taken])
    answer = json.dumps(rows[:499], separators=(",", ":")).encode()
    compare("klines answer of 499 bars", lambda: plain_klines(answer), lambda: parse_klines(answer))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "BTCUSDT-5m-2026-01.csv"
        path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
        compare("dump of 8,928 bars", lambda: plain_dump(path), lambda: read_dump(path).rows.to_numpy().T)


def plain_klines(answer: bytes) -> np.ndarray:
    """Parse as a plain program does."""
    return np.array([[float(cell) for cell in row] for row in json.loads(answer)]).T[list(KLINE_COLUMNS)]


def plain_dump(path: Path) -> np.ndarray:
    """Read a dump as a plain program does."""
    with path.open(newline="") as file:
        return np.array([[float(cell) for cell in row] for row in csv.reader(file)]).T[list(KLINE_COLUMNS)]


def compare(what: str, plainly: Callable[[], np.ndarray], here: Callable[[], np.ndarray]) -> None:
    """Print the processor time of both and their ratio."""
    np.testing.assert_array_equal(plainly(), here())
    best = [float("inf"), float("inf")]
    for _ in range(20):
        for number, way in enumerate((plainly, here)):
            began = time.process_time()
            way()
            best[number] = min(best[number], time.process_time() - began)
    print(f"{what}: plain {best[0] * 1e3:.2f} ms, here {best[1] * 1e3:.2f} ms CPU: {best[0] / best[1]:.1f}× less")


async def cold() -> None:
    """Load the same windows both ways, in turn, twice; the first round only warms the simulator's cache."""
    async with feed_of(150, 0, "--no-limits") as feed:
        symbols = (await feed.status())["symbols"][:150]
        now = (await feed.status())["now"]
        jobs = [(symbol, interval) for symbol in symbols for interval in INTERVALS]
        figures: list[tuple[float, float, float, float]] = []
        for _ in range(3):
            cpu, began = time.process_time(), time.monotonic()
            await asyncio.to_thread(plain, feed.rest_url, jobs)
            plain_wall, plain_cpu = time.monotonic() - began, time.process_time() - cpu
            cpu, began = time.process_time(), time.monotonic()
            before = (await feed.status())["weight"]
            await ours(feed, jobs, now)
            weight = (await feed.status())["weight"] - before
            figures.append((plain_wall, plain_cpu, time.monotonic() - began, time.process_time() - cpu))
        best = [min(column) for column in zip(*figures[1:], strict=True)]
        print(f"cold load, 150 × 4 × {FULL_BARS} bars, best of 2, client's time; weight {weight}:")
        print(f"    requests, 12 threads {best[0]:.2f} s wall, {best[1]:.2f} s CPU")
        print(f"    fetcher's loader     {best[2]:.2f} s wall, {best[3]:.2f} s CPU")
        print(f"    ratio                {best[0] / best[2]:.1f}× wall, {best[1] / best[3]:.1f}× CPU")


def plain(url: str, jobs: Sequence[tuple[str, str]]) -> None:
    """Load as a plain program does."""
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_connections=12, pool_maxsize=12))

    def load(job: tuple[str, str]) -> np.ndarray:
        query: dict[str, str | int] = {"symbol": job[0], "interval": job[1], "limit": FULL_BARS}
        answer = session.get(f"{url}/fapi/v1/klines", params=query, timeout=30)
        answer.raise_for_status()
        return np.array([[float(cell) for cell in row] for row in answer.json()])

    with ThreadPoolExecutor(12) as pool:
        assert all(matrix.shape[1] == 12 for matrix in pool.map(load, jobs))


async def ours(feed: Feed, jobs: Sequence[tuple[str, Interval]], now: int) -> None:
    """Load as the fetcher does, under its ledger."""
    clock = ExchangeClock(0)
    clock.observe(now)
    rest = BinanceRest(feed.rest_url, WeightLedger(feed.bus, clock, lambda: 100.0), clock)
    await rest.open()
    matrices = await asyncio.gather(*(recent_bars(rest, symbol, interval, FULL_BARS, now) for symbol, interval in jobs))
    await rest.close()
    assert all(matrix.shape[0] == 8 for matrix in matrices)


async def warm() -> None:
    """Count what five minutes cost when all is loaded: the mean over an hour of the exchange's clock.

    Requests and weight are the simulator's own count, everything included: prices, checks, universe.
    """
    for rest_only in (False, True):
        async with feed_of(150, 30.0, rest_only=rest_only, grace_seconds=3.0) as feed:
            feed.start_fetcher(SEVENGATE_LOG_LEVEL="error")
            await feed.scan(patience=90)
            begins = await scan_after(feed, (await scans_of(feed))[-1].scan_id + SCAN_MS)  # the loading is over
            before = await feed.status()
            ends = await scan_after(feed, begins + HOUR_MS)
            after, fives = await feed.status(), (ends - begins) / SCAN_MS
            opened = sum(begins < scan.scan_id <= ends for scan in await scans_of(feed))
            used = {path: after["requests"][path] - before["requests"].get(path, 0) for path in after["requests"]}
            weight = (after["weight"] - before["weight"]) / fives
            print(
                f"warm, {'REST alone' if rest_only else 'with streams'}, {opened} scans in {fives:.0f} × 5 min;",
                end=" ",
            )
            print(f"per five minutes: {sum(used.values()) / fives:.0f} requests, weight {weight:.1f};", end=" ")
            print(f"peak weight a minute, loading included: {after['weight_peak_1m']}")
            print("   ", {path: round(count / fives, 1) for path, count in sorted(used.items()) if count})


async def scan_after(feed: Feed, scan_id: int) -> int:
    """Return the newest scan as soon as it is *scan_id* or later: then nothing is swept."""
    while (newest := (await scans_of(feed))[-1].scan_id) < scan_id:
        await asyncio.sleep(0.05)
    return newest


async def scans_of(feed: Feed) -> list[ScanOpened]:
    """Return the scans that were opened."""
    return [message for message in await feed.all(Stream.SCANS) if isinstance(message, ScanOpened)]


async def close_and_memory() -> None:
    """Let closes go by at 10×; compare when the frames came in here with when the bus got the snapshots."""
    for symbols, closes in ((150, 8), (600, 4)):
        async with feed_of(symbols, 10.0, grace_seconds=10.0) as feed:
            process = feed.start_fetcher(SEVENGATE_LOG_LEVEL="error")
            first = await feed.scan(patience=240)
            listening = asyncio.ensure_future(last_frames(feed, first.symbols))
            used = process_seconds(process.pid)
            await asyncio.sleep(30 * (closes + 1.5))
            used = (process_seconds(process.pid) - used) / (closes + 1.5)
            memory = psutil.Process(process.pid).memory_info().rss / 2**20
            listening.cancel()
            frames = (await asyncio.gather(listening, return_exceptions=True))[0]
            assert isinstance(frames, dict), frames
            published = await last_snapshots(feed)
            took = sorted(
                published[scan_id] - frames[scan_id] for scan_id in sorted(frames)[1:] if scan_id in published
            )
            print(f"{symbols} symbols: last closed frame to last snapshot, {len(took)} closes:", end=" ")
            print(f"median {took[len(took) // 2]:.0f} ms, longest {took[-1]:.0f} ms;", end=" ")
            print(f"resident {memory:.0f} MiB; processor time per five minutes {used:.2f} s at ten times the pace")


async def last_frames(feed: Feed, symbols: Sequence[str]) -> dict[int, float]:
    """Listen as the fetcher does until cancelled; return when the last closed bar of each close came, ms."""
    came: dict[int, float] = {}
    with suppress(asyncio.CancelledError):
        async with feed.http.ws_connect(f"{feed.ws_url}/market/stream", max_msg_size=0) as socket:
            for number, start in enumerate(range(0, len(symbols), 100)):
                names = [f"{symbol.lower()}@kline_5m" for symbol in symbols[start : start + 100]]
                await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": number})
                await asyncio.sleep(0.2)
            async for message in socket:
                text = str(message.data)
                if '"x":true' in text:
                    opened = int(text.partition('"t":')[2].partition(",")[0])
                    came[opened + SCAN_MS] = time.time() * 1_000
    return came


async def last_snapshots(feed: Feed) -> dict[int, float]:
    """Return when the bus got the last snapshot of each scan that it still holds, ms."""
    got: dict[int, float] = {}
    after = "0-0"
    while page := await feed.bus.tail({Stream.SNAPSHOTS: after}, count=64, block_ms=0):
        for _, after, message in page:
            if isinstance(message, MarketSnapshot):
                got[message.scan_id] = float(after.partition("-")[0])
    return got


def process_seconds(process_id: int) -> float:
    """Return the processor time of a process, s."""
    times = psutil.Process(process_id).cpu_times()
    return float(times.user + times.system)


async def main() -> None:
    """Run what is asked for."""
    wanted = set(sys.argv[1:]) or {"parse", "cold", "warm", "close"}
    print(f"{os.cpu_count()} cores, load of the last minute before: {os.getloadavg()[0]:.1f}")
    if "parse" in wanted:
        parse()
    if "cold" in wanted:
        await cold()
    if "warm" in wanted:
        await warm()
    if wanted & {"close", "memory"}:
        await close_and_memory()


if __name__ == "__main__":
    asyncio.run(main())
