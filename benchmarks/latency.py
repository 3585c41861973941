"""From the last closed frame of a close to the alert at a webhook, and each stage's part of it.

    python -m benchmarks.latency [--symbols 150] [--speed 1] [--closes 12] [--analyzers 1] [--spread 0]

All services on this machine against the simulator, thresholds low enough for alerts at every close.  The times are
those that the messages carry: the bus stamps each entry as it takes it, rq each job, and the frames and the webhooks
are stamped here as they come.  A clock that runs faster than the services can follow makes the closes queue up, which
the fetcher's part shows: nothing but speed 1 says what a user waits for.

fetcher     the last closed frame to the last snapshot on the bus
analyzer    to the last analysis on the bus
gatekeeper  to the alert on the bus
notifier    to the job in the destination's queue
deliverer   to the request at the webhook
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

import aiohttp
import numpy as np
from rq.job import Job

from benchmarks.whole_stack import WholeStack, whole_stack
from services.notifier.delivery.queues import job_id
from services.terminal.local.stack import SimulatorPlan
from services.terminal.local.webhook_sink import Sink
from shared.bus import RedisBus
from shared.contracts import SCAN_MS, Alert, ScanSettled, Stream

DESTINATION = "sink0"
STAGES = ("fetcher", "analyzer", "gatekeeper", "notifier", "deliverer")
THRESHOLDS = {"score": 30, "fmqs": 0}
LATE_S = 10.0  #: for the alerts of the last close to arrive


class Watch:
    """The times of every close, UNIX ms, from frames and the bus."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus = bus
        self.frames: dict[int, float] = {}  #: close -> its last closed frame
        self.stages: dict[int, tuple[float, float]] = {}  #: scan -> its last snapshot and last analysis
        self.alerts: dict[str, tuple[int, float]] = {}  #: alert -> its scan, and when the bus took it
        self.settled = 0
        self.ready = float("inf")  #: when the first scan settled: closes before it waited for the windows

    async def listen(self, url: str, symbols: list[str]) -> None:
        """Note the closed frames, as the fetcher hears them."""
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/market/stream", max_msg_size=0) as socket:
            for number, start in enumerate(range(0, len(symbols), 100)):
                names = [f"{symbol.lower()}@kline_5m" for symbol in symbols[start : start + 100]]
                await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": number})
                await asyncio.sleep(0.2)
            async for message in socket:
                text = str(message.data)
                if '"x":true' in text:
                    opened = int(text.partition('"t":')[2].partition(",")[0])
                    self.frames[opened + SCAN_MS] = time.time() * 1_000

    async def follow(self) -> None:
        """Note the stages of each scan once it has settled, and its alerts."""
        after = {Stream.SCANS: "0-0", Stream.ALERTS: "0-0"}
        while True:
            for stream, entry_id, message in await self._bus.tail(after):
                after[stream] = entry_id
                if isinstance(message, ScanSettled):
                    self.settled += 1
                    self.ready = min(self.ready, time.time() * 1_000)
                    self.stages[message.scan_id] = (
                        taken(await self._bus.last_id(Stream.SNAPSHOTS)),
                        taken(await self._bus.last_id(Stream.ANALYSES)),
                    )
                elif isinstance(message, Alert) and message.kind in ("signal", "group"):
                    self.alerts[message.alert_id] = message.scan_id, taken(entry_id)


def taken(entry_id: str) -> float:
    """Return when the bus took an entry, UNIX ms."""
    return float(entry_id.partition("-")[0])


async def parts(watch: Watch, sink: Sink) -> np.ndarray:
    """Return the ms of each stage for each alert that came, shape (n, 5)."""
    rows = []
    for alert_id, (scan_id, alerted) in watch.alerts.items():
        times, frame, stages = sink.times.get(alert_id), watch.frames.get(scan_id), watch.stages.get(scan_id)
        stamp: Any = await watch._bus.redis.hget(Job.key_for(job_id(alert_id, DESTINATION)), "enqueued_at")
        if times is None or frame is None or frame < watch.ready or stages is None or stamp is None:
            continue
        queued = datetime.fromisoformat(stamp.decode().replace("Z", "+00:00")).timestamp() * 1_000
        rows.append(np.diff([frame, *stages, alerted, queued, times[0] * 1_000]))
    return np.array(rows)


async def measure(symbols: int, speed: float, closes: int, analyzers: int, spread: float) -> np.ndarray:
    """Let *closes* go by; return the parts."""
    simulator = SimulatorPlan(symbols=symbols, speed=speed, extra=("--close-spread", str(spread)))
    async with whole_stack(simulator, 1, analyzers=analyzers, thresholds=THRESHOLDS) as stack:
        return await watched(stack, closes)


async def watched(stack: WholeStack, closes: int) -> np.ndarray:
    """Watch the stack for *closes*; return the parts."""
    local, sink = stack.local, stack.sink
    bus = RedisBus(local.redis_url)
    async with aiohttp.ClientSession() as http, http.get(f"{local.simulator_url}/sim/status") as answer:
        symbols = (await answer.json())["symbols"]
    watch = Watch(bus)
    tasks = [
        asyncio.ensure_future(watch.listen(local.environment["SEVENGATE_BINANCE_WS_URL"], symbols)),
        asyncio.ensure_future(watch.follow()),
    ]
    try:
        while watch.settled <= closes:
            await asyncio.sleep(0.5)
            for task in tasks:
                if task.done():
                    task.result()
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_S):
                while not watch.alerts.keys() <= sink.times.keys():
                    await asyncio.sleep(0.1)
        heard = f"{len(watch.frames)} closes, {len(watch.stages)} scans"
        print(f"{heard}, {len(watch.alerts)} alerts of signals on the bus, {len(sink.times)} alerts at the webhook")
        return await parts(watch, sink)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.close()


def main() -> None:
    """Print the median and the 99th percentile of each stage and of the whole way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=150)
    parser.add_argument("--speed", type=float, default=1.0, help="of the exchange's clock: a close every 300 s / this")
    parser.add_argument("--closes", type=int, default=12)
    parser.add_argument("--analyzers", type=int, default=1)
    parser.add_argument("--spread", type=float, default=0.0, help="seconds over which the closed frames come")
    arguments = parser.parse_args()
    found = asyncio.run(measure(**vars(arguments)))
    assert len(found), "no alert came: the measurement says nothing"
    print(f"{arguments.symbols} coins at {arguments.speed:g}×, {len(found)} alerts, load {os.getloadavg()[0]:.1f}, ms:")
    for name, column in (*zip(STAGES, found.T, strict=True), ("frame to webhook", found.sum(axis=1))):
        print(f"  {name:17} p50 {np.quantile(column, 0.5):7.0f}   p99 {np.quantile(column, 0.99):7.0f}")


if __name__ == "__main__":
    main()
