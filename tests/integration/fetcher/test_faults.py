"""Bad input over real sockets: the simulator plays each fault, the windows stay true (docs/feed-faults.md)."""

from __future__ import annotations

import asyncio
import itertools
import signal
import statistics
import time

import numpy as np
import pytest
from aiohttp import web

from services.fetcher.binance.rest_messages import parse_klines
from services.fetcher.domain.bars import QUOTE_VOLUME
from shared.contracts import FULL_BARS, INTERVALS, SCAN_MS, Interval, ScanOpened, Stream
from tests.patience import PATIENCE_S

from .conftest import Feed, listening

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole processes, on whatever machine

VICTIM = "ETHUSDT"


async def truth(feed: Feed, symbol: str, interval: Interval, scan_id: int) -> np.ndarray:
    """Return the exchange's own closed bars at *scan_id*, without what a snapshot leaves out of them."""
    query: dict[str, str | int] = {
        "symbol": symbol,
        "interval": interval,
        "limit": FULL_BARS,
        "endTime": scan_id - scan_id % INTERVALS[interval] - 1,
    }
    async with feed.http.get(f"{feed.rest_url}/fapi/v1/klines", params=query) as answer:
        bars = parse_klines(await answer.read())
    if interval != "5m":
        bars[QUOTE_VOLUME] = np.nan
    return bars


async def assert_true_windows(feed: Feed, scan_id: int, symbols: tuple[str, ...] = (VICTIM, "BTCUSDT")) -> None:
    """Every closed bar of the scan's snapshots is the exchange's own."""
    snapshots = await feed.snapshots(scan_id)
    for symbol in symbols:
        for interval, length in INTERVALS.items():
            held = snapshots[symbol].bars[interval].matrix
            closed = held[:, held[0] + length <= scan_id]
            expected = await truth(feed, symbol, interval, scan_id)
            np.testing.assert_allclose(
                closed, expected[:, -closed.shape[1] :], rtol=1e-9, err_msg=f"{symbol} {interval}"
            )


@pytest.mark.parametrize("name", ["late-bar", "missing-bar", "open-as-closed", "duplicate-bar", "out-of-order-bar"])
async def test_a_bar_that_comes_late_never_twice_or_early_is_the_exchange_s_own(feed: Feed, name: str) -> None:
    """REST closes what the stream did not; nothing unfinished, old or double gets into a window."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault(name, VICTIM)
    opened = await feed.next_scan()
    assert VICTIM in opened.symbols
    await assert_true_windows(feed, opened.scan_id)
    await feed.clear()
    await assert_true_windows(feed, (await feed.next_scan()).scan_id)


@pytest.mark.parametrize("name", ["nan", "infinity", "nan-literal", "zero-price", "negative-price", "gap-all"])
async def test_a_bar_that_cannot_be_one_is_refused_and_its_symbol_named(feed: Feed, name: str) -> None:
    """No NaN, infinity, zero or negative price enters a window; the bar is had when the exchange is sane again."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault(name, VICTIM)
    opened = await feed.next_scan()
    assert opened.missing.keys() == {VICTIM}
    assert not opened.degraded
    await feed.clear()
    healed = await feed.next_scan()
    assert VICTIM in healed.symbols
    await assert_true_windows(feed, healed.scan_id)


async def test_a_coin_that_cannot_be_loaded_does_not_hold_up_the_others(feed: Feed) -> None:
    """Its bars are a page with 502 from the start: the scan opens without it, and with it when they can be had."""
    broken = True

    async def between(request: web.Request) -> web.Response:
        if broken and request.path.endswith("/klines") and request.query.get("symbol") == VICTIM:
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        async with feed.http.get(f"{feed.rest_url}{request.path_qs}") as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    async with listening(between) as address:
        feed.start_fetcher(SEVENGATE_BINANCE_REST_URL=f"http://{address}")
        opened = await feed.scan()
        assert opened.missing == {VICTIM: "no answer"}
        assert not opened.degraded
        broken = False
        healed = await feed.next_scan()
        assert not healed.missing
        await assert_true_windows(feed, healed.scan_id)
        feed.stop()


async def test_a_gap_in_all_symbols_degrades_the_scan_until_the_windows_are_whole(feed: Feed) -> None:
    """While the exchange has no bars the scan says so; afterwards the missing ones are fetched."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault("gap-all")
    opened = await feed.next_scan()
    assert opened.degraded == "exchange gap"
    assert not opened.symbols
    await feed.clear()
    healed = await feed.next_scan()
    assert not healed.degraded
    await assert_true_windows(feed, healed.scan_id)


async def test_bars_without_a_trade_are_flagged(feed: Feed) -> None:
    """A zero-volume bar is kept and flagged; where all symbols have one, the scan is degraded."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault("zero-volume", VICTIM)
    opened = await feed.next_scan()
    assert "zero volume" in (await feed.snapshots(opened.scan_id))[VICTIM].problems
    await feed.fault("zero-volume")
    assert (await feed.next_scan()).degraded == "exchange gap"


async def test_a_wick_beyond_the_mark_price_is_quarantined(feed: Feed) -> None:
    """A low of a thousandth that the mark price did not follow makes its symbol distrusted, not gone."""
    feed.start_fetcher()
    await feed.scan()
    await feed.next_scan()
    await feed.fault("wick", VICTIM)
    opened = await feed.next_scan()
    assert "quarantined" in (await feed.snapshots(opened.scan_id))[VICTIM].problems
    assert "quarantined" not in (await feed.snapshots(opened.scan_id))["BTCUSDT"].problems


async def test_a_revised_bar_is_taken_over_by_the_hourly_check(feed: Feed) -> None:
    """A closed bar that REST revises later is replaced in every window, without another scan of it."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault("revised-bar", VICTIM)
    await feed.next_scan()
    await feed.clear()
    for _ in range(16):
        opened = await feed.next_scan()
    await asyncio.sleep(0.5)
    opened = await feed.next_scan()
    await assert_true_windows(feed, opened.scan_id)
    scans = [message.scan_id for message in await feed.all(Stream.SCANS) if isinstance(message, ScanOpened)]
    assert len(scans) == len(set(scans))


async def test_unknown_enums_new_listings_and_delistings_harm_nobody_else(feed: Feed) -> None:
    """Unknown values are skipped; a delisted coin is named missing; the rest goes on."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault("unknown-enum")
    await feed.fault("new-listing")
    await feed.fault("delisted", VICTIM)
    for _ in range(2):
        opened = await feed.next_scan()
    assert set(opened.missing) <= {VICTIM, "BTCUSDT"}
    assert VICTIM in opened.missing
    assert len(opened.symbols) >= 6


async def test_a_listing_of_today_has_insufficient_history(feed: Feed) -> None:
    """A contract with fewer than 300 bars in any interval is published and says that it cannot be judged."""
    await feed.fault("new-listing")
    feed.start_fetcher()
    opened = await feed.scan()
    snapshot = (await feed.snapshots(opened.scan_id)).get("LISTEDNOWUSDT")
    assert (snapshot is None and "LISTEDNOWUSDT" in opened.missing) or (
        snapshot is not None and "insufficient history" in snapshot.problems
    )


async def test_the_tick_size_follows_the_price_filter(feed: Feed) -> None:
    """A tick that becomes ten times as coarse is in the snapshots within two scans of the exchange's clock."""
    feed.start_fetcher()
    await feed.scan()
    first = await feed.next_scan()
    before = (await feed.snapshots(first.scan_id))[VICTIM].tick_size
    await feed.fault("tick-size-change", VICTIM)
    deadline = time.monotonic() + 90
    after = before
    while after == before and time.monotonic() < deadline:
        opened = await feed.next_scan()
        after = (await feed.snapshots(opened.scan_id))[VICTIM].tick_size
        await asyncio.sleep(0.5)
    assert after == pytest.approx(10 * before)


async def test_an_unknown_funding_interval_stays_unknown(feed: Feed) -> None:
    """Neither listed nor shown by settlements: the interval is None, never eight hours."""
    await feed.fault("funding-interval-missing", VICTIM)
    feed.start_fetcher()
    await feed.scan()
    for _ in range(2):
        opened = await feed.next_scan()
    snapshots = await feed.snapshots(opened.scan_id)
    assert snapshots[VICTIM].derivatives.funding_interval_hours is None
    assert snapshots["BTCUSDT"].derivatives.funding_interval_hours == 8


@pytest.mark.parametrize("name", ["oi-400", "oi-lag"])
async def test_open_interest_that_lags_or_is_refused_is_old_not_invented(feed: Feed, name: str) -> None:
    """The newest points keep their old stamps; scans open all the same."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault(name)
    for _ in range(3):
        opened = await feed.next_scan()
    times, _ = (await feed.snapshots(opened.scan_id))[VICTIM].derivatives.open_interest.arrays()
    assert times[-1] < opened.scan_id - 2 * SCAN_MS
    await feed.clear()
    for _ in range(2):
        opened = await feed.next_scan()
    times, _ = (await feed.snapshots(opened.scan_id))[VICTIM].derivatives.open_interest.arrays()
    assert times[-1] == opened.scan_id - SCAN_MS


async def test_a_refused_order_book_is_missing_not_old(feed: Feed) -> None:
    """The coin whose book is refused is scanned without one, the others with theirs; it comes back with the book."""
    feed.start_fetcher()
    await feed.scan()
    await feed.fault("book-400", VICTIM)
    for _ in range(2):
        opened = await feed.next_scan()
    snapshots = await feed.snapshots(opened.scan_id)
    assert snapshots[VICTIM].depth is None
    assert snapshots["BTCUSDT"].depth is not None
    await feed.clear()
    for _ in range(2):
        opened = await feed.next_scan()
    assert (await feed.snapshots(opened.scan_id))[VICTIM].depth is not None


async def test_nothing_newer_than_five_minutes_before_the_scan_is_in_its_derivatives(feed: Feed) -> None:
    """Every stamp is at most the scan less five minutes; the book is of the last twenty seconds."""
    feed.start_fetcher()
    await feed.scan()
    for _ in range(2):
        opened = await feed.next_scan()
    for snapshot in (await feed.snapshots(opened.scan_id)).values():
        derivatives = snapshot.derivatives
        for points in (derivatives.open_interest, derivatives.global_ratio, derivatives.top_ratio):
            assert points.arrays()[0][-1] == opened.scan_id - SCAN_MS
        assert derivatives.funding_at is not None
        assert derivatives.funding_at <= opened.scan_id - SCAN_MS
        assert snapshot.depth is not None
        assert opened.scan_id - 20_000 < snapshot.depth.at <= opened.scan_id


FAST = ("--symbols", "8", "--seed", "3", "--speed", "200")


async def scans_until(feed: Feed, scan_id: int, patience: float = PATIENCE_S) -> list[ScanOpened]:
    """Return all scans once *scan_id* is among them."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        scans = await feed.scans()
        if scans and scans[-1].scan_id >= scan_id:
            return scans
        await asyncio.sleep(0.1)
    raise AssertionError("the scans stopped")


@pytest.mark.parametrize("simulator_arguments", [FAST])
@pytest.mark.parametrize("name", ["silent-subscription", "silent-symbol", "disconnect"])
async def test_streams_that_fail_are_replaced_and_rest_fills_meanwhile(feed: Feed, name: str) -> None:
    """Acknowledged and silent, one stream silent, or cut: no bar is lost and the streams come back."""
    await feed.settings(grace_seconds=0.5)
    feed.start_fetcher()
    first = await feed.scan()
    await feed.fault(name, VICTIM if name == "silent-symbol" else None, 900)
    scans = await scans_until(feed, first.scan_id + 6 * SCAN_MS)
    during = [scan for scan in scans if scan.scan_id <= first.scan_id + 6 * SCAN_MS]
    assert not any(scan.missing for scan in during)
    assert [b.scan_id - a.scan_id for a, b in itertools.pairwise(during)] == [SCAN_MS] * 6
    await feed.clear()
    scans = await scans_until(feed, scans[-1].scan_id + 3 * SCAN_MS)
    opened = await feed.scan(scans[-1].scan_id)
    await assert_true_windows(feed, opened.scan_id)


@pytest.mark.parametrize("simulator_arguments", [FAST])
@pytest.mark.parametrize("name", ["html-502", "error-1001", "429", "error-1003"])
async def test_refused_requests_are_tried_again_and_the_scans_go_on(feed: Feed, name: str) -> None:
    """A while of errors costs no scan: the streams bring the bars, REST is asked again with jitter."""
    feed.start_fetcher()
    first = await feed.scan()
    await feed.fault(name, None, 240)
    scans = await scans_until(feed, first.scan_id + 4 * SCAN_MS)
    assert not any(scan.missing for scan in scans)
    opened = await feed.scan(scans[-1].scan_id)
    await assert_true_windows(feed, opened.scan_id)


@pytest.mark.parametrize("name", ["418", "403", "451"])
async def test_a_refused_address_is_silent_also_after_a_restart(feed: Feed, name: str) -> None:
    """After a ban, a firewall or a region's refusal there is no further request, and one alert."""
    fetcher = feed.start_fetcher()
    await feed.scan()
    await feed.fault(name, None, 36_000)
    stepping = asyncio.ensure_future(feed.step())  # its sweep meets the refusal
    async with asyncio.timeout(PATIENCE_S):
        while not (await feed.bus.redis.pttl(feed.bus.key("ban")) > 0 and await feed.all(Stream.ALERTS)):
            await asyncio.sleep(0.1)
    fetcher.kill()
    fetcher.wait()
    await stepping
    await feed.bus.redis.delete(feed.bus.key("lease:fetcher"))
    before = sum((await feed.status())["requests"].values())
    feed.start_fetcher()
    await asyncio.sleep(4)
    assert sum((await feed.status())["requests"].values()) == before
    assert [alert.body.code for alert in await feed.all(Stream.ALERTS)] == ["exchange refuses"]  # type: ignore[union-attr]


@pytest.mark.parametrize("simulator_arguments", [FAST])
@pytest.mark.parametrize("name", ["clock-skew", "time-unavailable"])
async def test_a_wrong_or_absent_time_answer_does_no_harm(feed: Feed, name: str) -> None:
    """Events tell the time: scans open after their closes with true bars though the time's answer is 90 s ahead."""
    await feed.fault(name)
    feed.start_fetcher()
    first = await feed.scan()
    scans = await scans_until(feed, first.scan_id + 3 * SCAN_MS)
    assert all(scan.opened_at >= scan.scan_id for scan in scans[1:])
    assert not any(scan.missing for scan in scans[1:])
    await assert_true_windows(feed, (await feed.scan(scans[-1].scan_id)).scan_id)


@pytest.mark.parametrize("simulator_arguments", [FAST])
async def test_a_market_that_stands_still_is_named_missing(feed: Feed) -> None:
    """When everything answers and nothing moves, scans say that their bars are missing."""
    await feed.settings(grace_seconds=0.5)
    feed.start_fetcher()
    first = await feed.scan()
    await feed.fault("stale")
    scans = await scans_until(feed, first.scan_id + 3 * SCAN_MS)
    assert scans[-1].degraded == "exchange gap"
    assert len(scans[-1].missing) == 8


@pytest.mark.parametrize("simulator_arguments", [FAST])
async def test_rest_alone_is_enough(feed: Feed) -> None:
    """Without any WebSocket: every scan whole, ticks flow, windows true."""
    await feed.settings(rest_only=True)
    feed.start_fetcher()
    first = await feed.scan()
    scans = await scans_until(feed, first.scan_id + 4 * SCAN_MS)
    assert not any(scan.missing for scan in scans)
    assert len(await feed.ticks()) > 5
    status = await feed.status()
    assert status["connections_opened"] == 0
    opened = await feed.scan(scans[-1].scan_id)
    snapshot = (await feed.snapshots(opened.scan_id))[VICTIM]
    assert snapshot.depth is not None
    assert snapshot.derivatives.mark_price is not None
    await assert_true_windows(feed, opened.scan_id)


async def test_a_funding_interval_that_changes_is_taken_over(feed: Feed) -> None:
    """From eight hours to four: noticed within an hour of the exchange's clock, for this symbol alone."""
    feed.start_fetcher()
    await feed.scan()
    first = await feed.next_scan()
    assert (await feed.snapshots(first.scan_id))[VICTIM].derivatives.funding_interval_hours == 8
    await feed.fault("funding-interval-change", VICTIM)
    hours: dict[str, int | None] = {}
    async with asyncio.timeout(PATIENCE_S):
        while hours.get(VICTIM) != 4:
            opened = await feed.next_scan()
            snapshots = await feed.snapshots(opened.scan_id)
            hours = {symbol: snapshot.derivatives.funding_interval_hours for symbol, snapshot in snapshots.items()}
    assert hours["BTCUSDT"] == 8


@pytest.mark.parametrize("simulator_arguments", [("--symbols", "8", "--seed", "3", "--speed", "60")])
async def test_answers_that_take_seconds_hold_nobody_up(feed: Feed) -> None:
    """Each answer takes 3 s of wall time, more than half an interval: no close waits, no bar is missing."""
    await feed.settings(grace_seconds=0.5)
    feed.start_fetcher()
    first = await feed.scan()
    await feed.fault("slow")
    scans = await scans_until(feed, first.scan_id + 5 * SCAN_MS)
    during = [scan for scan in scans if scan.scan_id > first.scan_id + SCAN_MS]
    assert [b.scan_id - a.scan_id for a, b in itertools.pairwise(during)] == [SCAN_MS] * (len(during) - 1)
    assert not any(scan.missing or scan.degraded for scan in during)
    assert statistics.median(scan.opened_at - scan.scan_id for scan in during) < SCAN_MS / 2  # a stall is no answer
    await feed.clear()
    await assert_true_windows(feed, (await feed.scan(scans[-1].scan_id)).scan_id)


@pytest.mark.parametrize("simulator_arguments", [("--symbols", "8", "--seed", "3", "--speed", "600")])
async def test_a_backlog_after_an_outage_is_not_told_scan_by_scan(feed: Feed) -> None:
    """A process that stood still for an hour of the market goes on with the newest close, its windows whole."""
    fetcher = feed.start_fetcher()
    await feed.scan()
    fetcher.send_signal(signal.SIGSTOP)
    before = await feed.scans()
    stopped_at = (await feed.status())["now"]
    await asyncio.sleep(6)  # twelve closes, and less than the lease lasts
    fetcher.send_signal(signal.SIGCONT)
    resumed_at = (await feed.status())["now"]
    scans = await scans_until(feed, resumed_at)
    late = [scan for scan in scans if before[-1].scan_id < scan.scan_id <= resumed_at]
    assert (resumed_at - stopped_at) // SCAN_MS >= 10
    assert len(late) <= 2, "the backlog was opened scan by scan"
    opened = await feed.scan(scans[-1].scan_id)
    assert not opened.missing
    await assert_true_windows(feed, opened.scan_id)
