"""SIGKILL in the middle of recording: everything is in Postgres once, and nothing stays pending."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from services.api.recorder import GROUP, STREAMS
from services.terminal.local import listening
from shared.bus import RedisBus
from shared.contracts import SCAN_MS, Stream
from tests.conftest import ROOT
from tests.integration.api import facts
from tests.patience import PATIENCE_S

SCANS = 60
COINS = 50


@asynccontextmanager
async def api_process(valkey: str, database: str, folder: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run the API; kill it in the end."""
    environment = os.environ | {
        "SEVENGATE_REDIS_URL": valkey,
        "SEVENGATE_DATABASE_URL": database,
        "SEVENGATE_DATA_DIR": str(folder),
        "SEVENGATE_API_PORT": str(listening.free_port()),
        "SEVENGATE_CONFIG": str(Path("none.yaml")),
    }
    command = [sys.executable, "-m", "services.api"]
    process = await asyncio.to_thread(subprocess.Popen, command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait, 10)


async def pending(bus: RedisBus) -> int:
    return sum([(await bus.backlog(stream, GROUP)).pending for stream in STREAMS])


async def unread(bus: RedisBus) -> int:
    return sum([(await bus.backlog(stream, GROUP)).undelivered for stream in STREAMS])


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_killed_while_recording_nothing_is_lost_or_doubled(
    fresh_valkey: str, fresh_database: str, tmp_path: Path
) -> None:
    """Three kills with messages in hand; the last run records the rest."""
    bus = RedisBus(fresh_valkey)
    for stream in STREAMS:
        await bus.ensure_group(stream, GROUP)
    for number in range(SCANS):
        scan = facts.SCAN + number * SCAN_MS
        await bus.publish(Stream.DECISIONS, [facts.decision(f"C{n}USDT", scan) for n in range(COINS)])
        await bus.publish(Stream.ALERTS, [facts.signal_alert(f"C{number}USDT", scan)])
        await bus.publish(Stream.DELIVERIES, [facts.report(f"signal:C{number}USDT:long:{scan}")])
    kills_in_flight = 0
    for _ in range(3):
        async with api_process(fresh_valkey, fresh_database, tmp_path), asyncio.timeout(PATIENCE_S):
            while await pending(bus) == 0 and await unread(bus) > 0:
                await asyncio.sleep(0.001)
        kills_in_flight += await pending(bus) > 0
    assert kills_in_flight > 0, "no kill hit messages in flight"
    async with api_process(fresh_valkey, fresh_database, tmp_path), asyncio.timeout(PATIENCE_S):
        while await pending(bus) + await unread(bus) > 0:
            await asyncio.sleep(0.1)
    async with await psycopg.AsyncConnection.connect(fresh_database) as connection:
        counted = await connection.execute(
            "SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM alerts), (SELECT count(*) FROM signals), "
            "(SELECT count(*) FROM deliveries)"
        )
        assert await counted.fetchone() == (SCANS * COINS, SCANS, SCANS, SCANS)
    assert await bus.dead_letters() == []
    print(f"kills in flight: {kills_in_flight} of 3")
    await bus.close()
