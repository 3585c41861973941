"""The fetcher over real sockets: from the exchange's wire to scans, snapshots and ticks."""

from __future__ import annotations

import numpy as np

from shared.contracts import INTERVALS, SCAN_MS

from .conftest import Feed


async def test_a_close_becomes_a_scan_with_whole_windows(feed: Feed) -> None:
    """Each close opens one scan whose snapshots hold 499 gap-free bars that end at it."""
    feed.start_fetcher()
    await feed.scan()
    first = await feed.next_scan()
    second = await feed.next_scan()
    assert second.scan_id == first.scan_id + SCAN_MS
    assert not second.missing
    assert not second.degraded
    for snapshot in (await feed.snapshots(second.scan_id)).values():
        for interval, bars in snapshot.bars.items():
            times = bars.matrix[0]
            assert (np.diff(times) == INTERVALS[interval]).all()  # type: ignore[index]
            assert times[-1] <= second.scan_id - SCAN_MS < times[-1] + INTERVALS[interval]  # type: ignore[index]
        assert np.isfinite(snapshot.bars["5m"].matrix).all()
