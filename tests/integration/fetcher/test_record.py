"""The history recorded from the bus: what the scans held, with what the futures market said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.fetcher.history import History, record

from .conftest import Feed
from .test_faults import VICTIM, truth

pytestmark = pytest.mark.timeout(180)  # whole processes, on whatever machine


async def test_the_recorded_bars_are_the_exchange_s_own(feed: Feed, tmp_path: Path) -> None:
    """Two scans recorded: every bar that was in a window, and the open interest of those with a stamp."""
    feed.start_fetcher()
    await feed.scan()
    opened = await feed.next_scan()
    history = History(tmp_path)
    await record(feed.bus, history, scans=2)
    kept = history.bars(VICTIM)
    expected = await truth(feed, VICTIM, "5m", opened.scan_id)
    np.testing.assert_allclose(kept[:, -499:], expected, rtol=1e-9)
    assert all(month.missing == 0 for month in history.months())
