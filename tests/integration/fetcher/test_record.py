"""The history recorded from the bus: what the scans held, with what the futures market said."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.fetcher.history.history_recorder import HistoryRecorder, record
from services.fetcher.history.store import History
from shared.contracts import FULL_BARS

from .conftest import ROOT, Feed
from .test_faults import VICTIM, truth

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole processes, on whatever machine


async def test_the_recorded_bars_are_the_exchange_s_own(feed: Feed, tmp_path: Path) -> None:
    """Two scans recorded: every bar that was in a window, and the open interest of those with a stamp."""
    feed.start_fetcher()
    await feed.scan()
    opened = await feed.next_scan()
    history = History(tmp_path)
    await record(feed.bus, HistoryRecorder(history), asyncio.Event(), scans=2)
    kept = history.bars(VICTIM)
    expected = await truth(feed, VICTIM, "5m", opened.scan_id)
    np.testing.assert_allclose(kept[:, -FULL_BARS:], expected, rtol=1e-9)
    assert all(month.missing == 0 for month in history.months())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_recorder_that_is_stopped_writes_what_waits(feed: Feed, tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C or the end of its service: the hour that was not written yet is, and it says how many bars."""
    feed.start_fetcher()
    opened = await feed.scan()
    command = [sys.executable, "-m", "services.terminal", "history", "record", "--folder", str(tmp_path)]
    environment = os.environ | {"SEVENGATE_REDIS_URL": feed.redis_url}
    recorder = subprocess.Popen(  # noqa: ASYNC220
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert recorder.stdout is not None
    assert (await asyncio.to_thread(recorder.stdout.readline)).startswith("recording")
    assert list(History(tmp_path).months()) == []
    recorder.send_signal(how)
    said, _ = await asyncio.to_thread(recorder.communicate, timeout=240)
    assert recorder.returncode == 0
    assert said == f"{FULL_BARS * len(opened.symbols)} new bars\n"
    assert len({month.symbol for month in History(tmp_path).months()}) == len(opened.symbols)


WRITING = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
from services.fetcher.history.store import History
from shared.contracts import FULL_BARS
from shared.contracts import COLUMNS, SCAN_MS
times = 1_769_903_400_000 - SCAN_MS * np.arange(8_000, dtype=np.float64)
for value in range(1, 1_000_000):
    rows = pd.DataFrame({name: float(value) for name in COLUMNS} | {"open_time": times})
    History(Path(sys.argv[1])).merge("XUSDT", rows)
    print(value, flush=True)
"""


def test_a_writer_that_is_killed_leaves_whole_months(tmp_path: Path) -> None:
    """Whenever it is killed: each month can be read and holds one write's values; the next write goes on."""
    for delay in (0.01, 0.05, 0.09, 0.13):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "1\n"
        time.sleep(delay)
        writer.kill()
        writer.communicate()
        months = list(History(tmp_path).months("XUSDT"))
        assert sum(month.bars for month in months) == 8_000
        for month in months:
            assert month.missing == 0
            assert pd.read_parquet(month.path)["close"].nunique() == 1
