"""Restarts and two fetchers: the bus keeps the windows, the lease keeps the scans single."""

from __future__ import annotations

import asyncio
import signal

import pytest

from shared.contracts import SCAN_MS, MarketSnapshot, ScanOpened, Stream
from shared.runtime.leader import LEASE_MS
from tests.patience import PATIENCE_S

from .conftest import Feed
from .test_faults import assert_true_windows, scans_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole processes, on whatever machine


async def test_a_restart_fetches_only_what_the_bus_does_not_hold(feed: Feed) -> None:
    """Windows come back from the newest snapshots: no klines request for what was held, and the windows are true."""
    first = feed.start_fetcher()
    await feed.scan()
    await feed.next_scan()
    cold = (await feed.status())["requests"]["/fapi/v1/klines"]
    first.terminate()
    first.wait(10)
    feed.start_fetcher()
    opened = await feed.next_scan()
    warm = (await feed.status())["requests"]["/fapi/v1/klines"] - cold
    await assert_true_windows(feed, opened.scan_id)
    assert cold >= 8 * 4
    assert warm <= 8 * 3  # the higher bar that each window lacks, and the one check


TAKEOVER_MS = 15_000  #: until the other one holds the lease, on any machine that runs it at all


@pytest.mark.parametrize("simulator_arguments", [("--symbols", "8", "--seed", "3", "--speed", "60")])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_lost_fetcher_is_replaced_without_a_second_scan(feed: Feed, how: signal.Signals) -> None:
    """Killed, or paused past its lease and back: the other one opens the next scan; every scan is there once."""
    active = feed.start_fetcher(SEVENGATE_INSTANCE="a")
    await feed.scan()
    feed.start_fetcher(SEVENGATE_INSTANCE="b")
    await asyncio.sleep(2)
    active.send_signal(how)
    before = len(await feed.scans())
    assert await feed.bus.redis.pttl(feed.bus.key("lease:fetcher")) + LEASE_MS / 4 < TAKEOVER_MS
    async with asyncio.timeout(PATIENCE_S):
        while len(await feed.scans()) <= before:
            await asyncio.sleep(0.1)
    assert await feed.bus.redis.get(feed.bus.key("lease:fetcher")) != b"a"
    active.send_signal(signal.SIGCONT)  # what it was about to say is refused
    newest = (await feed.scans())[-1].scan_id
    await scans_until(feed, newest + 3 * SCAN_MS)
    scans = await feed.scans()
    assert len(scans) == len({scan.scan_id for scan in scans})
    await assert_true_windows(feed, (await feed.scan(scans[-1].scan_id)).scan_id)


async def test_snapshots_of_a_scan_that_was_only_opened_are_said_again(feed: Feed) -> None:
    """A holder that died between the opening and the snapshots leaves them to the next one."""
    first = feed.start_fetcher()
    await feed.scan()
    opened = await feed.next_scan()
    first.kill()
    first.wait()
    redis = feed.bus.redis
    await redis.hset(feed.bus.key("state:fetcher"), "published", "0")
    before = len([message for message in await feed.all(Stream.SNAPSHOTS) if isinstance(message, MarketSnapshot)])
    await redis.delete(feed.bus.key("lease:fetcher"))
    feed.start_fetcher()
    async with asyncio.timeout(PATIENCE_S):
        while len(await feed.all(Stream.SNAPSHOTS)) < before + len(opened.symbols):
            await asyncio.sleep(0.1)
    again = await feed.snapshots(opened.scan_id)
    assert set(again) == set(opened.symbols)
    scans = [scan.scan_id for scan in await feed.all(Stream.SCANS) if isinstance(scan, ScanOpened)]
    assert len(scans) == len(set(scans))
