"""Does the simulator keep up?  600 symbols at 60 times the speed, a reader of every closed bar, on one core.

Run: python -m benchmarks.simulator [--symbols 600] [--speed 60] [--seconds 60]
It prints start-up time, close lag (wall ms from the close by the exchange's clock to the last of its frames
queued, and to the last received), processor time against wall time, memory, and the cold load's rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

import aiohttp
import numpy as np
import psutil


async def subscribe(session: aiohttp.ClientSession, base: str, symbols: list[str]) -> aiohttp.ClientWebSocketResponse:
    """Return a socket that listens to the five-minute bars of *symbols* and to all tickers."""
    socket = await session.ws_connect(f"{base}/market/ws", max_msg_size=0)
    streams = [f"{symbol.lower()}@kline_5m" for symbol in symbols] + ["!ticker@arr", "!markPrice@arr@1s"]
    for at in range(0, len(streams), 200):
        await socket.send_json({"method": "SUBSCRIBE", "params": streams[at : at + 200], "id": at})
    return socket


async def cold_load(session: aiohttp.ClientSession, base: str, symbols: list[str]) -> float:
    """Load 499 bars of four intervals of every symbol, 20 at once; return requests a second."""
    gate = asyncio.Semaphore(20)

    async def one(symbol: str, interval: str) -> None:
        query = {"symbol": symbol, "interval": interval, "limit": "499"}
        async with gate, session.get(f"{base}/fapi/v1/klines", params=query) as answer:
            await answer.read()

    began = time.perf_counter()
    await asyncio.gather(*(one(symbol, interval) for symbol in symbols for interval in ("5m", "15m", "1h", "4h")))
    return 4 * len(symbols) / (time.perf_counter() - began)


async def listen(socket: aiohttp.ClientWebSocketResponse, until: float, speed: float, anchor: float) -> dict[str, Any]:
    """Count closed bars by close until *until*; measure when each close's last frame came."""
    last: dict[int, float] = {}
    count: dict[int, int] = {}
    frames = 0
    while (left := until - time.time()) > 0:
        try:
            message = await socket.receive(timeout=left)
        except TimeoutError:
            break
        frames += 1
        if '"x":true' in message.data:
            opened = json.loads(message.data)["k"]["t"]
            last[opened], count[opened] = time.time(), count.get(opened, 0) + 1
    delays = [1_000 * (at - (anchor + (opened + 300_000) / 1_000 / speed)) for opened, at in last.items()]
    return {"frames": frames, "closes": len(last), "bars": sorted(set(count.values())), "delays": delays[:-1]}


async def measure(arguments: argparse.Namespace, process: subprocess.Popen[str], base: str) -> None:
    """Print the figures of a running simulator."""
    watched = psutil.Process(process.pid)
    async with aiohttp.ClientSession() as session:

        async def status() -> dict[str, Any]:
            async with session.get(f"{base}/sim/status") as answer:
                return dict(await answer.json())

        symbols = (await status())["symbols"]
        rate = await cold_load(session, base, symbols)
        socket = await subscribe(session, base, symbols)
        await asyncio.sleep(1.0)
        anchor = min([time.time() - (await status())["now"] / 1_000 / arguments.speed for _ in range(20)])
        cpu = watched.cpu_times()
        began = time.time()
        heard = await listen(socket, began + arguments.seconds, arguments.speed, anchor)
        wall = time.time() - began
        used = watched.cpu_times()
        final = await status()
        await socket.close()
    spent = used.user + used.system - cpu.user - cpu.system
    print(f"{len(symbols)} symbols at {arguments.speed}×, {wall:.0f} s: {heard['closes']} closes")
    print(f"bars received a close: {heard['bars']}")
    print(f"close lag until queued, ms: {final['close_lag_ms']}")
    delays = np.array(heard["delays"] or [0.0])
    print(f"close lag until the last bar was received, ms: median {np.median(delays):.1f}, max {delays.max():.1f}")
    print(f"processor time / wall time: {spent / wall:.3f}")
    print(f"memory: {watched.memory_info().rss / 1e6:.0f} MB")
    print(f"cold load: {rate:.0f} klines answers of 499 bars a second, reader included")


def main() -> None:
    """Start a simulator, pinned to one core where that is possible, and measure it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=600)
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "services.simulator", "--symbols", str(arguments.symbols), "--no-limits"]
    began = time.perf_counter()
    with subprocess.Popen([*command, "--speed", str(arguments.speed)], stdout=subprocess.PIPE, text=True) as process:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {0})
        assert process.stdout is not None
        listening = json.loads(process.stdout.readline())
        print(f"listening after {time.perf_counter() - began:.2f} s")
        try:
            asyncio.run(measure(arguments, process, listening["url"]))
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
