"""Alert to sink: wall time from the alert on the bus to its arrival, through real processes.

Five webhook destinations, one of which hangs; alone and 50 alerts at once.
Run as ``python -m benchmarks.delivery``; the last line is JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from services.notifier.cli import sample_alerts as samples
from services.terminal.local import stores
from shared.contracts import Alert
from tests.conftest import running
from tests.integration.notifier.conftest import Stage, now_ms
from tests.integration.notifier.sinks import BotApi, Sink, hang

SINGLES = 40
AT_ONCE = 50
SOUND = 4
ENTRIES = 6.0  #: seconds to wait for one alert's arrivals


async def measure(url: str) -> dict[str, float]:
    """Return the percentiles, ms."""
    sinks = [await Sink().start() for _ in range(SOUND)]
    hanging = await Sink().start()
    hanging.answers.extend(hang(3_600) for _ in range(SINGLES + AT_ONCE + 10))
    stage = Stage(url, (await BotApi().start()).url, sinks[0], BotApi())
    try:
        destinations = {f"d{number}": stage.webhook(sink=sink) for number, sink in enumerate(sinks)}
        destinations["dead"] = stage.webhook(sink=hanging)
        await stage.configure(
            destinations=destinations, routes=[{"destinations": list(destinations)}], delivery={"timeout_seconds": 15}
        )
        stage.start("services.notifier")
        stage.start("services.notifier.deliverer")
        await arrivals(stage, sinks, numbered(0, 3), 60.0)
        singles: list[float] = []
        for number in range(SINGLES):
            singles += await arrivals(stage, sinks, numbered(100 + number, 1), ENTRIES)
            await asyncio.sleep(0.05)
        together = await arrivals(stage, sinks, numbered(1_000, AT_ONCE), 60.0)
        assert hanging.received, "the hanging destination was never called: the measurement says nothing"
    finally:
        await stage.close()
        for sink in (*sinks, hanging):
            await asyncio.wait_for(sink.stop(), 5)
    return {**percentiles("one", singles), **percentiles("fifty", together)}


def numbered(first: int, count: int) -> list[Alert]:
    return [
        samples.signal(f"C{number}USDT", created_at=now_ms(), scan_id=samples.SCAN + number)
        for number in range(first, first + count)
    ]


async def arrivals(stage: Stage, sinks: list[Sink], alerts: list[Alert], seconds: float) -> list[float]:
    """Publish *alerts*, wait until every sound sink has them; return each arrival's ms since the publication."""
    already = [len(sink.received) for sink in sinks]
    began = time.monotonic()
    await stage.tell(*alerts)
    while any(len(sink.received) < before + len(alerts) for sink, before in zip(sinks, already, strict=True)):
        assert time.monotonic() - began < seconds, [len(sink.received) for sink in sinks]
        await asyncio.sleep(0.002)
    fresh = [got for sink, before in zip(sinks, already, strict=True) for got in sink.received[before:]]
    wanted = {alert.alert_id for alert in alerts}
    assert {json.loads(got.body)["alert_id"] for got in fresh} == wanted, "a sink got something else"
    return [(got.at - began) * 1_000 for got in fresh]


def percentiles(name: str, values: list[float]) -> dict[str, float]:
    return {f"{name}_p{share}_ms": round(float(np.percentile(values, share)), 1) for share in (50, 99)} | {
        f"{name}_max_ms": round(max(values), 1)
    }


def main() -> None:
    """Measure on an embedded Valkey and print."""
    with tempfile.TemporaryDirectory() as folder:
        store = stores.valkey(Path(folder), durable=False)
        with running(store.argv):
            stores.wait_for_valkey(store.url)
            found = asyncio.run(measure(store.url))
    print("alert to sink, four sound destinations beside one that hangs", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
