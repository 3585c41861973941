"""`scan --once` at an exchange whose clock runs as ours does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.terminal.local import kept_windows
from shared.moment import moment
from tests.conftest import ROOT
from tests.integration.fetcher.conftest import Exchange, start_simulator
from tests.patience import PATIENCE_S

STARTED = "2026-01-12T12:03:00Z"  #: three minutes after a close: too late to open its scan in a running scanner
KLINES = "/fapi/v1/klines"
Scan = Callable[[], "subprocess.CompletedProcess[str]"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A simulated exchange of eight coins."""
    simulator, running = start_simulator("--symbols", "8", "--seed", "3", "--speed", "1", "--start", STARTED)
    yield running
    simulator.terminate()
    simulator.wait(10)


@pytest.fixture
def scan(exchange: Exchange, tmp_path: Path) -> Scan:
    """Return what scans once and says how it went."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEVENGATE_")}
    environment |= {
        "SEVENGATE_DATA_DIR": str(tmp_path),
        "SEVENGATE_BINANCE_REST_URL": exchange.url,
        "SEVENGATE_BINANCE_WS_URL": exchange.ws_url,
        "SEVENGATE_FEAR_GREED_URL": f"{exchange.url}/fng/",
    }

    def once() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.terminal", "scan", "--once", "--json"],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    return once


def rows_of(answer: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return the coins of a scan that went well."""
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def klines_asked(exchange: Exchange) -> int:
    """Return how often windows have been asked for."""
    return int(httpx.get(f"{exchange.url}/sim/status").json()["requests"].get(KLINES, 0))


def test_the_last_close_is_judged_at_once(scan: Scan) -> None:
    """The table is of the close before the start, not of the next one, and every coin is in it."""
    rows = rows_of(scan())
    assert len(rows) == 8
    last = moment(STARTED) // 300_000 * 300_000
    assert {row["scan_id"] for row in rows} <= {last, last + 300_000}  # a machine that sleeps may see one more close
    assert min(row["scan_id"] for row in rows) == last


def test_the_next_scan_has_the_windows_of_the_one_before(scan: Scan, exchange: Exchange) -> None:
    """It asks for what has closed since, and judges every coin."""
    assert len(rows_of(scan())) == 8
    first = klines_asked(exchange)
    assert len(rows_of(scan())) == 8
    assert klines_asked(exchange) - first <= first / 4


def test_broken_windows_are_set_aside(scan: Scan, exchange: Exchange, tmp_path: Path) -> None:
    """The scan says so and loads them anew."""
    folder = tmp_path / "scan"
    folder.mkdir(mode=0o700)
    kept_windows.file_of(folder, market="binance-um", exchange=exchange.url).write_bytes(b"no windows")
    answer = scan()
    assert len(rows_of(answer)) == 8
    (aside,) = (folder / "valkey").glob("dump.rdb.broken-*")
    assert f"the windows of an earlier scan are broken: set aside as {aside}; they are loaded anew" in answer.stderr
