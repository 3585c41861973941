"""What stands between the fetcher and the exchange: proxies, firewalls, slow lines, retired requests, cut sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from typer.testing import CliRunner

from services.fetcher.binance import rest as binance_rest
from services.fetcher.binance.period_stamps import ENOUGH, PeriodStamps
from services.fetcher.binance.rest import BinanceRest
from services.fetcher.binance.rest_messages import funding_rates
from services.fetcher.binance.weight_ledger import WeightLedger
from services.fetcher.binance.ws import BinanceStreams, ConnectionBudget, StreamBatch
from services.fetcher.exchange import BlockedError, RetiredError
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.history.__main__ import app as history_app
from services.fetcher.history.archive import read_dump
from services.fetcher.history.history_recorder import HistoryRecorder, record
from services.fetcher.history.store import BadFileError, History
from services.simulator.instruments import decimals_of
from services.simulator.market.replay import grid
from shared.bus import RedisBus
from shared.contracts import SCAN_MS
from shared.network.proxies import ProxyError
from tests.patience import PATIENCE_S

from .conftest import Deaf, Feed, http_proxy, listening

MINUTE = 1_767_225_660_000


@asynccontextmanager
async def asking(valkey: str, url: str) -> AsyncIterator[BinanceRest]:
    """Yield Binance's requests against *url*."""
    bus, clock = RedisBus(valkey), ExchangeClock(1.0)
    clock.observe(MINUTE)
    rest = BinanceRest(url, WeightLedger(bus, clock, lambda: 0.8), clock)
    await rest.open()
    try:
        yield rest
    finally:
        await rest.close()
        await bus.close()


async def exchange(request: web.Request) -> web.StreamResponse:
    """Serve the time and the streams."""
    if request.path.endswith("/time"):
        return web.json_response({"serverTime": MINUTE})
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.receive()
    await socket.send_str('{"stream":"!ticker@arr","data":[]}')
    await socket.receive()
    return socket


async def test_rest_and_streams_go_through_the_proxy(fresh_valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that only the proxy can resolve is reached by both."""
    async with listening(exchange) as target, http_proxy(target) as (address, seen):
        monkeypatch.setenv("HTTP_PROXY", address)
        async with asking(fresh_valkey, "http://exchange.invalid") as rest:
            assert await rest.server_time() == MINUTE
        async with aiohttp.ClientSession() as session:
            batch = StreamBatch("ws://exchange.invalid/market/stream", ["!ticker@arr"], Deaf(), lambda: 60.0)
            running = asyncio.ensure_future(batch.run(session))
            async with asyncio.timeout(PATIENCE_S):
                while not batch.up:
                    await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert any("exchange.invalid/fapi/v1/time" in line for line in seen)
    assert len(seen) >= 2


async def test_loopback_goes_past_a_dead_proxy(fresh_valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an unreachable proxy, and one of an unsupported kind, this machine is reached all the same."""
    async with listening(exchange) as target:
        for address in ("http://127.0.0.1:9", "socks5://127.0.0.1:9"):
            monkeypatch.setenv("ALL_PROXY", address)
            async with asking(fresh_valkey, f"http://{target}") as rest:
                assert await rest.server_time() == MINUTE
    with pytest.raises(ProxyError, match=r"^ALL_PROXY: SOCKS proxies are not supported"):
        BinanceRest("https://exchange.invalid", rest.budget, ExchangeClock(1.0))


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.mark.parametrize(("status", "code"), [(401, -2014), (400, -5000), (404, 0), (410, 0)])
async def test_a_retired_request_costs_one_try_a_period_and_v2_steps_in(
    fresh_valkey: str, status: int, code: int
) -> None:
    """Prices come from v2, whose weight is not believed; v1 is asked once, named once, and shown as retired."""
    asked: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if "/v1/" in request.path:
            return web.json_response({"code": code, "msg": "gone"}, status=status)
        weight = {"X-MBX-USED-WEIGHT-1M": "2399"}
        return web.json_response([{"symbol": "BTCUSDT", "price": "1.5", "time": MINUTE}], headers=weight)

    async with listening(serve) as target, asking(fresh_valkey, f"http://{target}") as rest:
        for _ in range(3):
            async with asyncio.timeout(PATIENCE_S):
                assert await rest.prices() == (MINUTE, {"BTCUSDT": 1.5})
        with pytest.raises(RetiredError, match="no longer served"):
            await rest.get("/fapi/v1/ticker/price", {}, weight=2)
        assert list(rest.budget.retired) == ["/fapi/v1/ticker/price"]
        named = [remark for remark in rest.remarks if "/fapi/v1/ticker/price" in remark]
    assert [path for path in asked if "/v1/" in path] == ["/fapi/v1/ticker/price"]
    assert len(asked) == 4
    (told,) = named
    assert told.startswith(f"/fapi/v1/ticker/price is no longer served (status {status}")


async def test_a_firewalls_challenge_is_waited_out(fresh_valkey: str) -> None:
    """202 with a page for browsers: one request, then none for a minute."""
    asked: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=202, text="<html>are you human?</html>")

    async with listening(serve) as target, asking(fresh_valkey, f"http://{target}") as rest:
        for _ in range(3):
            with pytest.raises(BlockedError, match="challenge"):
                await rest.server_time()
        assert rest.budget.blocked == "challenge"
        assert 50 < await rest.budget.remembered_ban() <= 60
    assert len(asked) == 1


@pytest.mark.slow
async def test_a_slow_line_gets_fewer_requests_at_once(fresh_valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that serves four at a time in time: the timeouts halve the width until all answers come."""
    monkeypatch.setattr(binance_rest, "TIMEOUT_S", 1.0)
    busy = 0

    async def serve(_: web.Request) -> web.StreamResponse:
        nonlocal busy
        busy += 1
        try:
            await asyncio.sleep(30 if busy > 5 else 0.05)
        finally:
            busy -= 1
        return web.json_response({"serverTime": MINUTE})

    async with listening(serve) as target, asking(fresh_valkey, f"http://{target}") as rest:
        first = await asyncio.gather(*(rest.server_time() for _ in range(40)), return_exceptions=True)
        assert MINUTE in first
        assert rest.slots("weight").width < binance_rest.CONCURRENCY["weight"]


async def test_sockets_that_are_cut_after_a_frame_are_reopened_ever_more_slowly() -> None:
    """A single frame does not count: the pauses grow as without it."""
    opened: list[float] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        opened.append(asyncio.get_running_loop().time())
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.send_str('{"stream":"!ticker@arr","data":[]}')
        await socket.close()
        return socket

    async with listening(serve) as target, aiohttp.ClientSession() as session:
        batch = StreamBatch(f"ws://{target}/", ["!ticker@arr"], Deaf(), lambda: 60.0)
        running = asyncio.ensure_future(batch.run(session))
        async with asyncio.timeout(PATIENCE_S):
            while len(opened) < 6:
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert opened[5] - opened[4] > 1.5  # 0.1 × 2⁵ × 0.5, at least


async def test_all_sockets_share_one_budget_of_connections() -> None:
    """The fourth of three allowed waits until the first is old enough."""
    slow, loop = ConnectionBudget(most=3, seconds=600), asyncio.get_running_loop()
    await asyncio.gather(*(slow.spend() for _ in range(3)))
    fourth = asyncio.ensure_future(slow.spend())
    await asyncio.sleep(0.1)
    assert not fourth.done()
    fourth.cancel()
    budget, began = ConnectionBudget(most=3, seconds=0.5), loop.time()
    for _ in range(4):
        await budget.spend()
    assert loop.time() - began >= 0.5
    streams = BinanceStreams("ws://127.0.0.1:9", Deaf(), lambda: 60.0)
    await streams.hold(["BTCUSDT"])
    assert len({id(batch.budget) for batch in streams.batches}) == 1
    await streams.close()


def test_only_regular_funding_is_a_rate() -> None:
    """Rows of another rateType are left out; rows without one are regular."""
    rows = [
        {"symbol": "A", "fundingTime": 1, "fundingRate": "0.1", "rateType": "Regular"},
        {"symbol": "A", "fundingTime": 2, "fundingRate": "0.9", "rateType": "Adjustment"},
        {"symbol": "A", "fundingTime": 3, "fundingRate": "0.3"},
    ]
    times, rates = funding_rates(json.dumps(rows).encode())
    assert times.tolist() == [1, 3]
    assert rates.tolist() == [0.1, 0.3]


@pytest.mark.parametrize(("lag", "convention", "shift"), [(0, "end", 0), (1, "beginning", SCAN_MS)])
def test_stamps_of_futures_data_are_found_out_from_the_clock(lag: int, convention: str, shift: int) -> None:
    """A newest stamp within five minutes is an end; never that new, a minute after the boundary, is a beginning."""
    stamps, now = PeriodStamps(), MINUTE + SCAN_MS - 60_000 + 90_000
    boundary = now - now % SCAN_MS
    times = boundary - lag * SCAN_MS - SCAN_MS * np.arange(3.0)[::-1]
    for _ in range(ENOUGH):
        got, _ = stamps.normalised((times, np.ones(3)), now)
    assert stamps.convention == convention
    assert f"stamps are the {convention} of a period" in stamps.remark
    np.testing.assert_array_equal(got, times + shift)
    assert got[-1] <= now


def test_late_points_prove_nothing() -> None:
    """Points that have not come out yet, or are older still, leave the convention open."""
    stamps, now = PeriodStamps(), MINUTE + 30_000 - 60_000
    old = now - now % SCAN_MS - SCAN_MS
    for _ in range(3 * ENOUGH):
        stamps.normalised((np.array([float(old)]), np.ones(1)), now)
        stamps.normalised((np.array([float(old - SCAN_MS)]), np.ones(1)), now + 200_000)
    assert stamps.convention == ""
    assert "not known yet" in stamps.remark


def test_metrics_rows_near_the_grid_are_snapped(tmp_path: Path) -> None:
    """Two seconds off the grid is on it; two minutes off is left out, counted and said."""
    path = tmp_path / "BTCUSDT-metrics-2026-07-01.csv"
    path.write_text(
        "create_time,symbol,sum_open_interest\n"
        "2026-07-01 00:05:02,BTCUSDT,1\n2026-07-01 00:09:58,BTCUSDT,2\n2026-07-01 00:17:00,BTCUSDT,3\n"
    )
    dump = read_dump(path, stamps="end")
    rows = dump.rows
    assert (rows["open_time"] % SCAN_MS == 0).all()
    assert rows["open_interest"].tolist() == [1.0, 2.0]
    assert dump.off_grid == 1
    command = ["import", str(path), "--stamps", "end", "--folder", str(tmp_path / "history")]
    said = CliRunner().invoke(history_app, command).output
    assert said.startswith(f"{path.name}: 2 rows, 2 new ones of BTCUSDT 5m")
    assert said.strip().endswith("; 1 left out: more than 30 s off the five-minute grid")


def test_a_history_refuses_another_source(tmp_path: Path) -> None:
    """What is simulated never mixes with what is real, either way round; an older folder is real."""
    History(tmp_path / "new").claim("simulator")
    with pytest.raises(BadFileError, match=r"holds the history of simulator, these bars are of binance-um"):
        History(tmp_path / "new").claim("binance-um")
    (tmp_path / "old" / "BTCUSDT").mkdir(parents=True)
    with pytest.raises(BadFileError, match="holds the history of binance-um"):
        History(tmp_path / "old").claim("simulator")
    History(tmp_path / "old").claim("binance-um")


@pytest.mark.timeout(600)
@pytest.mark.slow
async def test_recording_beside_the_simulator_leaves_the_real_history_alone(feed: Feed, tmp_path: Path) -> None:
    """The fetcher notes where its bars come from; the recorder refuses before it writes anything."""
    feed.start_fetcher()
    await feed.next_scan()
    real = History(tmp_path / "real")
    real.claim("binance-um")
    with pytest.raises(BadFileError, match="these bars are of simulator"):
        await record(feed.bus, HistoryRecorder(real), asyncio.Event(), scans=1, report=lambda _: None)
    assert list(real.months()) == []
    own = History(tmp_path / "own")
    await record(feed.bus, HistoryRecorder(own), asyncio.Event(), scans=1, report=lambda _: None)
    assert list(own.months())


def test_replayed_coins_of_tiny_prices_keep_their_digits() -> None:
    """A coin at 0.00002141 has a tick of its own size, and decimals to write its prices with."""
    tick = grid([np.array([0.00002141, 0.00002150, 0.00002139])])
    assert tick == pytest.approx(1e-8)
    assert f"{0.00002141:.{decimals_of(tick)}f}" == "0.00002141"
    assert grid([np.array([2.1413e-06, 2.1414e-06])]) == pytest.approx(1e-10)
    assert grid([np.array([96_000.1, 96_000.2])]) == pytest.approx(0.1)
