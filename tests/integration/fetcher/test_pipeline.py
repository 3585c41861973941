"""The fetcher over real sockets: from the exchange's wire to scans, snapshots and ticks."""

from __future__ import annotations

import asyncio
import itertools

import numpy as np
import pytest

from shared.contracts import INTERVALS, SCAN_MS, SettingsChanged
from tests.patience import PATIENCE_S

from .conftest import Feed
from .test_faults import FAST, scans_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole processes, on whatever machine


async def test_a_close_becomes_a_scan_with_whole_windows(feed: Feed) -> None:
    """Each close opens one scan whose snapshots hold full windows of gap-free bars that end at it."""
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
    async with asyncio.timeout(PATIENCE_S):
        while not any(
            remark.startswith("/futures/data: ") for report in await feed.bus.reports.all() for remark in report.remarks
        ):
            await asyncio.sleep(0.1)
    (report,) = await feed.bus.reports.all()
    assert report.service == "fetcher"


async def test_changed_settings_are_obeyed_without_a_restart(feed: Feed) -> None:
    """A smaller universe and REST alone take effect while the fetcher runs."""
    feed.start_fetcher()
    await feed.scan()
    assert len((await feed.next_scan()).symbols) == 8
    await feed.bus.publish_settings(
        SettingsChanged(
            version=9, value={"universe": {"size": 3, "min_quote_volume": 0}, "feed": {"rest_only": True}}, at=0
        )
    )
    async with asyncio.timeout(PATIENCE_S):
        while (await feed.status())["connections"]:
            await asyncio.sleep(0.2)
    for _ in range(2):
        opened = await feed.next_scan()
    assert len(opened.symbols) == 3
    assert opened.settings_version == 9


@pytest.mark.parametrize("simulator_arguments", [FAST])
async def test_settings_that_change_while_the_exchange_fails_are_obeyed_when_it_is_back(feed: Feed) -> None:
    """The universe is asked for again in a minute, not in an hour, and not all the time."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault("html-502")
    await feed.bus.publish_settings(
        SettingsChanged(version=9, value={"universe": {"size": 3, "min_quote_volume": 0}}, at=0)
    )
    await asyncio.sleep(10)  # all four tries fail, some of them twice
    await feed.clear()
    back = (await feed.scans())[-1].scan_id
    opened = (await scans_until(feed, back + 6 * SCAN_MS))[-1]
    assert len(opened.symbols) == 3
    assert not opened.missing


@pytest.mark.parametrize("simulator_arguments", [("--symbols", "8", "--seed", "3", "--speed", "30")])
async def test_ticks_come_at_most_once_a_second_and_know_every_price(feed: Feed) -> None:
    """Each second has one tick at most, and changed symbols only do not mean missing ones."""
    feed.start_fetcher()
    await feed.scan()
    async with asyncio.timeout(PATIENCE_S):
        while len(ticks := await feed.ticks()) < 5:
            await asyncio.sleep(0.1)
    assert all(later.at // 1_000 > earlier.at // 1_000 for earlier, later in itertools.pairwise(ticks))
    assert len(ticks[-1].prices) >= 8
    assert "OLDCOINUSDT" not in ticks[-1].prices
