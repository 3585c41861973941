"""`scan --once` at an exchange whose clock runs as ours does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.moment import moment
from tests.conftest import ROOT
from tests.integration.fetcher.conftest import start_simulator
from tests.patience import PATIENCE_S

STARTED = "2026-01-12T12:03:00Z"  #: three minutes after a close: too late to open its scan in a running scanner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_last_close_is_judged_at_once(tmp_path: Path) -> None:
    """The table is of the close before the start, not of the next one, and every coin is in it."""
    simulator, exchange = start_simulator("--symbols", "8", "--seed", "3", "--speed", "1", "--start", STARTED)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEVENGATE_")}
    environment |= {
        "SEVENGATE_DATA_DIR": str(tmp_path),
        "SEVENGATE_BINANCE_REST_URL": exchange.url,
        "SEVENGATE_BINANCE_WS_URL": exchange.ws_url,
        "SEVENGATE_FEAR_GREED_URL": f"{exchange.url}/fng/",
    }
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "services.terminal", "scan", "--once", "--json"],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    finally:
        simulator.terminate()
        simulator.wait(10)
    assert answer.returncode == 0, answer.stderr
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(rows) == 8
    last = moment(STARTED) // 300_000 * 300_000
    assert {row["scan_id"] for row in rows} <= {last, last + 300_000}  # a machine that sleeps may see one more close
    assert min(row["scan_id"] for row in rows) == last
