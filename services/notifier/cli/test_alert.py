"""Send a sample to one destination or all, through the running deliverer, and print the result.

It goes straight into the queues: on `alerts` it would be recorded as a signal.

Run as ``python -m services.notifier.cli.test_alert [DESTINATION]``; `./sevengate test-alert` does.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import msgspec
from redis.exceptions import RedisError

from services.notifier.cli import sample_alerts as samples
from services.notifier.delivery.queues import Outbox
from shared import ids
from shared.bus import RedisBus
from shared.config.environment import Environment
from shared.contracts import Alert, DeliveryReport, SettingsChanged, Stream
from shared.runtime.watched_queue import connect

WAIT_S = 60.0
EXIT_UNUSABLE = 2


def id_for(market: str, destination: str, at: int) -> str:
    """Return the id of the test alert to *destination*."""
    return ids.system_alert_id(market, f"{samples.TEST}{destination}:{at}")


def sample_for(market: str, destination: str, at: int) -> Alert:
    """Return a signal of this moment that goes to *destination* alone; its coin's name says that it is a test."""
    made = samples.signal("TESTUSDT", created_at=at)
    return msgspec.structs.replace(
        made, alert_id=id_for(market, destination, at), occurred_at=at, scan_id=0, destinations=(destination,)
    )


async def send(environment: Environment, destination: str) -> int:
    """Return the exit status: 0 when every destination took the sample."""
    bus = RedisBus(environment.redis_url, environment.market)
    try:
        names = await _destinations(bus)
        if names is None:
            return _fail("Sevengate is not running here: no settings on the bus. Start it with ./sevengate up.")
        if destination and destination not in names:
            return _fail(f"No destination is called {destination!r}. There are: {', '.join(names) or 'none'}.")
        if not names:
            return _fail("No destinations are configured: add some to config.yaml.")
        return await _send(bus, Outbox(connect(environment), bus.market), [destination] if destination else names)
    except (RedisError, OSError) as error:
        return _fail(f"The bus does not answer: {error}")
    finally:
        await bus.close()


async def _destinations(bus: RedisBus) -> list[str] | None:
    settings = await bus.newest_setting(SettingsChanged)
    return None if settings is None else list(settings.value.get("destinations", {}))


async def _send(bus: RedisBus, outbox: Outbox, names: list[str]) -> int:
    after = await bus.last_id(Stream.DELIVERIES)
    at = time.time_ns() // 1_000_000
    waiting = {id_for(bus.market, name, at): name for name in names}
    trying: set[str] = set()
    for name in names:
        await asyncio.to_thread(outbox.put, sample_for(bus.market, name, at), name)
    print(f"{', '.join(names)}: waiting for the result, at most {WAIT_S:.0f} s", file=sys.stderr, flush=True)
    deadline, failed = time.monotonic() + WAIT_S, False
    while waiting and time.monotonic() < deadline:
        for _, entry_id, report in await bus.tail({Stream.DELIVERIES: after}, block_ms=500):
            after = entry_id
            if isinstance(report, DeliveryReport) and report.alert_id in waiting:
                print(line_of(report), flush=True)
                trying.add(report.alert_id)
                if report.status != "retrying":
                    del waiting[report.alert_id]
                    failed |= report.status != "sent"
    for alert_id, name in waiting.items():
        tried = "it will be tried again" if alert_id in trying else "is the deliverer running?"
        print(f"{name}: no result within {WAIT_S:.0f} s; {tried}")
    return 1 if failed or waiting else 0


def line_of(report: DeliveryReport) -> str:
    """Return one line about an attempt."""
    why = " ".join(part for part in (report.reason, report.detail) if part)
    status = "not delivered yet, will be tried again" if report.status == "retrying" else report.status
    return f"{report.destination} ({report.channel}): {status}{why and f', {why}'} (after {report.seconds:.2f} s)"


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return EXIT_UNUSABLE


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback; what is queued is sent
    sys.exit(asyncio.run(send(Environment(), sys.argv[1] if len(sys.argv) > 1 else "")))
