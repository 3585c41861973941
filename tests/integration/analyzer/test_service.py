"""Analyzers as processes on a real bus: every snapshot answered once, whichever process is killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from services.analyzer.handler import analyse
from shared.bus import RedisBus
from shared.contracts import Analysis, MarketSnapshot, SettingsChanged, Stream, encode
from shared.settings import RuntimeSettings
from tests.unit.analyzer import bars

ROOT = Path(__file__).parents[3]
SYMBOLS = 40
MEMORY_LIMIT = 150 * 2**20


def analyzer(url: str) -> subprocess.Popen[bytes]:
    """Start an analyzer process."""
    environment = {**os.environ, "SEVENGATE_REDIS_URL": url, "SEVENGATE_LOG_LEVEL": "error"}
    return subprocess.Popen([sys.executable, "-m", "services.analyzer"], cwd=ROOT, env=environment)


@pytest.fixture(scope="module")
def snapshots() -> list[MarketSnapshot]:
    made = bars.snapshot()
    return [msgspec.structs.replace(made, symbol=f"C{number}USDT") for number in range(SYMBOLS)]


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


async def publish_settings(bus: RedisBus) -> None:
    await bus.publish_settings(SettingsChanged(version=1, value=RuntimeSettings().dump(), at=0))


async def collect(bus: RedisBus, count: int, seconds: float) -> list[Analysis]:
    """Return *count* analyses, or those that came within *seconds*, and all that follow within another one."""
    found: list[Analysis] = []
    deadline = asyncio.get_running_loop().time() + seconds
    after = "0-0"
    while asyncio.get_running_loop().time() < deadline and len(found) < count:
        for _, entry_id, message in await bus.tail({Stream.ANALYSES: after}, block_ms=500):
            after = entry_id
            assert isinstance(message, Analysis)
            found.append(message)
    await asyncio.sleep(1.0)
    found += [message for _, _, message in await bus.tail({Stream.ANALYSES: after}, block_ms=10)]  # type: ignore[misc]
    return found


@pytest.mark.timeout(600)
async def test_every_snapshot_is_answered_once_and_equals_the_pure_analysis(
    fresh_valkey: str, snapshots: list[MarketSnapshot], processes: list[subprocess.Popen[bytes]]
) -> None:
    """Two analyzers share the work; what they say is what the pure function says; each stays within 150 MB."""
    bus = RedisBus(fresh_valkey)
    try:
        await publish_settings(bus)
        await bus.publish(Stream.SNAPSHOTS, snapshots)
        processes += [analyzer(fresh_valkey), analyzer(fresh_valkey)]
        found = await collect(bus, SYMBOLS, 60)
        assert sorted(answer.symbol for answer in found) == sorted(snapshot.symbol for snapshot in snapshots)
        expected = analyse(snapshots[0], RuntimeSettings())
        answer = next(answer for answer in found if answer.symbol == snapshots[0].symbol)
        assert encode(answer) == encode(expected)
        assert max(psutil.Process(process.pid).memory_info().rss for process in processes) < MEMORY_LIMIT
        assert (await bus.backlog(Stream.SNAPSHOTS, "analyzer")).pending == 0
    finally:
        await bus.close()


@pytest.mark.timeout(600)
@pytest.mark.slow
async def test_a_killed_analyzer_loses_and_doubles_nothing(
    fresh_valkey: str, snapshots: list[MarketSnapshot], processes: list[subprocess.Popen[bytes]]
) -> None:
    """What a killed analyzer had in hand is claimed by another, and answered once."""
    bus = RedisBus(fresh_valkey)
    try:
        await publish_settings(bus)
        processes.append(analyzer(fresh_valkey))
        await bus.publish(Stream.SNAPSHOTS, snapshots)
        while not (await bus.backlog(Stream.SNAPSHOTS, "analyzer")).pending:
            await asyncio.sleep(0.005)
        processes[0].kill()
        held = (await bus.backlog(Stream.SNAPSHOTS, "analyzer")).pending
        assert held, "it was not killed in flight"
        processes.append(analyzer(fresh_valkey))
        found = await collect(bus, SYMBOLS, 90)
        assert sorted(answer.symbol for answer in found) == sorted(snapshot.symbol for snapshot in snapshots)
    finally:
        await bus.close()
