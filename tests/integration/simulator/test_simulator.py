"""The simulator over real HTTP and WebSocket: shapes, windows, limits, lockstep, streams, replay."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pandas as pd
import pytest

from services.simulator.instruments import BAR_MS
from services.simulator.market.replay import RecordedMarket
from services.simulator.market.seeded import SeededMarket
from services.simulator.market.tape import Source
from services.simulator.protocol.server import ServerOptions, Simulator
from services.simulator.protocol.streams import LIFETIME_MS
from tests.conftest import SHARED_DATA
from tests.patience import PATIENCE_S
from tests.unit.simulator.test_market import recording

START = 1_768_222_800_000  # 13:00 UTC, a close of 5m, 15m and 1h bars

LIVE, DOCS = "live_2026-07-19/binance_", "nautilus/http_futures_market_"
INTEGERS = {
    "timestamp", "time", "nextFundingTime", "fundingTime", "openTime", "closeTime", "firstId", "lastId", "count",
    "lastUpdateId", "E", "T",
}  # fmt: skip


class Client:
    """A visitor of one simulator."""

    def __init__(self, session: aiohttp.ClientSession, simulator: Simulator, base: str) -> None:
        self.session, self.simulator, self.base = session, simulator, base

    async def raw(self, path: str, **query: object) -> tuple[int, str, Any]:
        async with self.session.get(self.base + path, params={k: str(v) for k, v in query.items()}) as answer:
            return answer.status, await answer.text(), answer.headers

    async def get(self, path: str, **query: object) -> Any:
        status, text, _ = await self.raw(path, **query)
        assert status == 200, text
        return json.loads(text)

    async def post(self, path: str, body: dict[str, object] | None = None) -> Any:
        async with self.session.post(self.base + path, json=body) as answer:
            return await answer.json()

    async def klines(self, symbol: str, interval: str, limit: int = 499, **more: object) -> list[list[Any]]:
        rows: list[list[Any]] = await self.get("/fapi/v1/klines", symbol=symbol, interval=interval, limit=limit, **more)
        return rows

    @asynccontextmanager
    async def socket(self, address: str, *streams: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.session.ws_connect(self.base + address) as socket:
            if streams:
                await socket.send_json({"method": "SUBSCRIBE", "params": list(streams), "id": 1})
                assert await socket.receive_json(timeout=PATIENCE_S) == {"result": None, "id": 1}
            yield socket

    async def step(self) -> dict[str, Any]:
        """Step, asking for depth as a scanner would once the sweep's tick is out."""
        stepping = asyncio.ensure_future(self.post("/sim/step"))
        while not stepping.done():
            for symbol in self.simulator.conductor._listened_to():
                await self.get("/fapi/v1/depth", symbol=symbol, limit=20)
            await asyncio.sleep(0.01)
        answer: dict[str, Any] = await stepping
        return answer


Open = Callable[..., AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def opened(
    source: Source | None = None, *, start: int = START, speed: float = 0.0, symbols: int = 6, limits: bool = True
) -> AsyncIterator[Client]:
    """Open a simulator on a free port, with a client."""
    source = source or SeededMarket(symbols, 1, start)
    simulator = Simulator(source, ServerOptions(start=start, speed=speed, limits=limits))
    port = await simulator.open("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(session, simulator, f"http://127.0.0.1:{port}")
    finally:
        await simulator.close()


async def frames(socket: aiohttp.ClientWebSocketResponse, seconds: float = 0.3) -> list[Any]:
    """Return what arrives within *seconds*."""
    got: list[Any] = []
    try:
        while True:
            got.append(await socket.receive_json(timeout=seconds))
    except (TimeoutError, TypeError):
        return got


async def until(socket: aiohttp.ClientWebSocketResponse, wanted: Callable[[Any], bool]) -> Any:
    """Return the first frame that is *wanted*."""
    while True:
        frame = await socket.receive_json(timeout=PATIENCE_S)
        if wanted(frame):
            return frame


def closed(frame: Any) -> bool:
    return isinstance(frame, dict) and frame.get("e") == "kline" and frame["k"]["x"] is True


async def test_history_is_there_at_once_and_the_open_bar_is_last() -> None:
    """499 bars of each interval, gap-free, of twelve columns, and the last one is the bar so far."""
    async with opened(start=START + 100_000) as client:
        for interval, length in {"5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000}.items():
            rows = await client.klines("ETHUSDT", interval)
            assert len(rows) == 499
            assert {len(row) for row in rows} == {12}
            assert [row[0] for row in rows] == list(range(rows[0][0], rows[0][0] + 499 * length, length))
            assert all(row[6] == row[0] + length - 1 for row in rows)
            assert rows[-1][0] <= START + 100_000 < rows[-1][0] + length
            assert all(isinstance(row[column], str) for row in rows for column in (1, 2, 3, 4, 5, 7, 9, 10, 11))


async def test_higher_bars_served_are_exact_sums() -> None:
    """What REST says of a 1h bar is what its twelve five-minute bars add up to, to the last digit."""
    async with opened(start=START + 100_000) as client:
        small = {row[0]: row for row in await client.klines("SOLUSDT", "5m", 499)}
        for row in await client.klines("SOLUSDT", "1h", 20):
            parts = [small[at] for at in range(row[0], row[0] + 3_600_000, BAR_MS) if at in small]
            assert row[1] == parts[0][1]
            assert row[4] == parts[-1][4]
            assert Decimal(row[2]) == max(Decimal(part[2]) for part in parts)
            assert Decimal(row[3]) == min(Decimal(part[3]) for part in parts)
            for column in (5, 9) if len(parts) < 12 else (5, 7, 9, 10):
                assert Decimal(row[column]) == sum(Decimal(part[column]) for part in parts)
            assert row[8] == sum(part[8] for part in parts)


async def test_two_simulators_of_one_seed_say_the_same_bytes() -> None:
    """Every endpoint answers the same at the same moment of the exchange's clock."""
    paths: list[tuple[str, dict[str, object]]] = [
        ("/fapi/v1/exchangeInfo", {}),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1h"}),
        ("/fapi/v1/depth", {"symbol": "ETHUSDT", "limit": 20}),
        ("/fapi/v1/ticker/24hr", {}),
        ("/fapi/v1/premiumIndex", {}),
        ("/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "5m", "limit": 288}),
        ("/futures/data/topLongShortAccountRatio", {"symbol": "BTCUSDT", "period": "5m", "limit": 288}),
    ]
    async with opened() as one, opened() as two:
        await one.step()
        await two.step()
        for path, query in paths:
            assert (await one.raw(path, **query))[1] == (await two.raw(path, **query))[1]


async def test_klines_windows() -> None:
    """startTime, endTime and limit select as the exchange does."""
    async with opened() as client:
        rows = await client.klines("BTCUSDT", "5m", 10, startTime=START - 20 * BAR_MS)
        assert [row[0] for row in rows] == [START - (20 - n) * BAR_MS for n in range(10)]
        rows = await client.klines("BTCUSDT", "5m", 3, endTime=START - 10 * BAR_MS)
        assert [row[0] for row in rows] == [START - n * BAR_MS for n in (12, 11, 10)]
        rows = await client.klines("BTCUSDT", "5m", 1500, startTime=START - 3 * BAR_MS, endTime=START - BAR_MS)
        assert len(rows) == 3


async def test_what_a_young_contract_has() -> None:
    """A contract listed 30 days ago has fewer than 300 bars of 4h."""
    async with opened() as client:
        symbol = client.simulator.exchange.listed[-1].symbol
        assert 100 < len(await client.klines(symbol, "4h")) < 300
        assert len(await client.klines(symbol, "5m")) == 499


def keys_of(path: str) -> set[str]:
    """Return the keys of a recorded answer's (first) object."""
    recorded = SHARED_DATA / "rest" / (path if path.endswith(".json") else f"{path}_sample.json")
    if not recorded.exists():
        pytest.skip("the recorded answers are absent")
    text = recorded.read_text()
    answer = json.loads(text[text.index("\n[") :] if path.endswith(".txt") and "\n[" in text else text)
    return set(answer[0] if isinstance(answer, list) else answer)


@pytest.mark.parametrize(
    ("recorded", "path", "query"),
    [
        (LIVE + "open_interest_hist", "/futures/data/openInterestHist", {"period": "5m"}),
        (LIVE + "global_long_short", "/futures/data/globalLongShortAccountRatio", {"period": "5m"}),
        (LIVE + "top_trader_ratio", "/futures/data/topLongShortAccountRatio", {"period": "1h"}),
        (LIVE + "top_trader_ratio", "/futures/data/topLongShortPositionRatio", {"period": "1h"}),
        (LIVE + "taker_ratio", "/futures/data/takerlongshortRatio", {"period": "5m"}),
        (LIVE + "funding_rate", "/fapi/v1/fundingRate", {}),
        (DOCS + "premium_index.json", "/fapi/v1/premiumIndex", {}),
        (DOCS + "ticker_24hr.json", "/fapi/v1/ticker/24hr", {}),
        (DOCS + "ticker_price.json", "/fapi/v1/ticker/price", {}),
        (DOCS + "open_interest.json", "/fapi/v1/openInterest", {}),
        (DOCS + "depth.json", "/fapi/v1/depth", {"limit": "20"}),
    ],
)  # fmt: skip
async def test_answers_have_the_recorded_fields(recorded: str, path: str, query: dict[str, object]) -> None:
    """Each answer has exactly the fields of the recorded one, numbers as strings."""
    wanted = keys_of(recorded)
    async with opened() as client:
        answer = await client.get(path, symbol="BTCUSDT", **query)
        row = answer[-1] if isinstance(answer, list) else answer
        assert set(row) == wanted
        numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
        assert set(numbers) <= INTEGERS


async def test_points_appear_late_and_the_taker_ratio_later() -> None:
    """Ratio points come 10 to 70 s after their stamp; the taker ratio's newest is one period older."""
    async with opened(start=START + 71_000) as client:
        query: dict[str, object] = {"symbol": "BTCUSDT", "period": "5m", "limit": 288}
        points = await client.get("/futures/data/openInterestHist", **query)
        assert len(points) == 288
        assert points[-1]["timestamp"] == START
        assert (await client.get("/futures/data/takerlongshortRatio", **query))[-1]["timestamp"] == START - BAR_MS
    async with opened(start=START + 9_000) as client:
        assert (await client.get("/futures/data/openInterestHist", **query))[-1]["timestamp"] == START - BAR_MS


async def test_funding_info_lists_the_exceptions() -> None:
    """Every contract of another interval than eight hours is listed, and of the others not all."""
    async with opened(symbols=30) as client:
        listed = {row["symbol"] for row in await client.get("/fapi/v1/fundingInfo")}
        contracts = client.simulator.exchange.listed
        assert {contract.symbol for contract in contracts if contract.funding_hours != 8} <= listed
        assert "BTCUSDT" not in listed
        assert "ETHUSDT" in listed


async def test_funding_settles_at_each_contracts_interval() -> None:
    """Settlements are 8, 4 or 1 h apart, as fundingInfo says; 8 h where it says nothing."""
    async with opened(symbols=12) as client:
        hours = {row["symbol"]: row["fundingIntervalHours"] for row in await client.get("/fapi/v1/fundingInfo")}
        assert set(hours.values()) == {1, 4, 8}
        for symbol in ("BTCUSDT", *[contract.symbol for contract in client.simulator.exchange.listed[5:11]]):
            rows = await client.get("/fapi/v1/fundingRate", symbol=symbol, limit=4)
            apart = {round((b["fundingTime"] - a["fundingTime"]) / 3_600_000) for a, b in itertools.pairwise(rows)}
            assert apart == {hours.get(symbol, 8)}


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/fapi/v1/klines", {"symbol": "NOPEUSDT", "interval": "5m"}, 400, -1121),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "7m"}, 400, -1120),
        ("/fapi/v1/klines", {"interval": "5m"}, 400, -1102),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "5m", "limit": "1501"}, 400, -1130),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "5m", "limit": "x"}, 400, -1100),
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "7"}, 400, -4021),
        ("/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "5m", "startTime": "1000"}, 400, -1130),
        ("/fapi/v9/nothing", {}, 404, -5000),
    ],
)
async def test_errors_are_the_exchanges(path: str, query: dict[str, object], status: int, code: int) -> None:
    """A wrong request gets the exchange's JSON error."""
    async with opened() as client:
        got, text, _ = await client.raw(path, **query)
        assert (got, json.loads(text)["code"]) == (status, code)


async def test_weight_header_429_and_ban() -> None:
    """The header counts; beyond the limit 429 with Retry-After; going on is 418 with the ban's end in the text."""
    async with opened() as client:
        _, _, headers = await client.raw("/fapi/v1/ticker/24hr")
        assert headers["X-MBX-USED-WEIGHT-1M"] == "40"
        await client.raw("/fapi/v1/klines", symbol="NOPEUSDT", interval="5m")
        statuses = [await client.raw("/fapi/v1/ticker/24hr") for _ in range(82)]
        assert [status for status, _, _ in statuses[:58]] == [200] * 58
        status, text, headers = statuses[60]
        assert (status, json.loads(text)["code"]) == (429, -1003)
        assert 1 <= int(headers["Retry-After"]) <= 60
        status, text, headers = statuses[-1]
        assert status == 418
        assert 110 <= int(headers["Retry-After"]) <= 120
        until = int(json.loads(text)["msg"].partition("banned until ")[2].partition(".")[0])
        assert until - client.simulator.exchange.now() > 110_000
        assert (await client.get("/sim/status"))["weight_peak_1m"] > 2_400


async def test_minutes_pass_with_a_fast_clock() -> None:
    """At 600 times the speed a minute's weight is back after a tenth of a second."""
    async with opened(speed=600.0) as client:
        for _ in range(4):
            for _ in range(45):
                assert (await client.raw("/fapi/v1/ticker/24hr"))[0] == 200
            await asyncio.sleep(0.12)


async def test_lockstep_steps_twice() -> None:
    """Each step sends four ticks and the closed bars; the clock stands between, and REST agrees with the frames."""
    async with (
        opened() as client,
        client.socket("/market/ws", "!ticker@arr", "btcusdt@kline_5m", "ethusdt@kline_5m") as socket,
    ):
        for number in range(2):
            opening, close = START + number * BAR_MS, START + (number + 1) * BAR_MS
            answer = await client.step()
            assert (answer["close"], answer["complete"]) == (close, True)
            assert answer["depth_served"] >= 2
            got = await frames(socket)
            ticks = [frame[0]["E"] for frame in got if isinstance(frame, list)]
            assert ticks == [opening + at for at in (60_000, 135_000, 210_000, 285_000)]
            bars = {frame["s"]: frame for frame in got if closed(frame)}
            assert set(bars) == {"BTCUSDT", "ETHUSDT"}
            assert {(frame["E"], frame["k"]["t"]) for frame in bars.values()} == {(close, opening)}
            for symbol, frame in bars.items():
                row = (await client.klines(symbol, "5m", 2))[0]
                k = frame["k"]
                assert row[:11] == [
                    k["t"],
                    k["o"],
                    k["h"],
                    k["l"],
                    k["c"],
                    k["v"],
                    k["T"],
                    k["q"],
                    k["n"],
                    k["V"],
                    k["Q"],
                ]
            status = await client.get("/sim/status")
            assert (status["now"], status["next_close"]) == (close, close + BAR_MS)


async def test_depth_is_the_same_within_a_moment_of_lockstep() -> None:
    """Asking again gives the same book; it has the asked levels, sorted, not crossed."""
    async with opened() as client:
        one, two = [await client.get("/fapi/v1/depth", symbol="BTCUSDT", limit=20) for _ in range(2)]
        assert one == two
        bids, asks = ([float(price) for price, _ in one[side]] for side in ("bids", "asks"))
        assert (len(bids), len(asks)) == (20, 20)
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]


async def test_a_step_gives_up_on_depth_that_nobody_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the sweep a step waits for a while, then says that it was not complete."""
    monkeypatch.setattr("services.simulator.conductor.DEPTH_WAIT_S", 0.2)
    async with opened() as client, client.socket("/market/ws", "btcusdt@kline_5m"):
        assert (await client.post("/sim/step"))["complete"] is False


async def test_combined_streams_are_wrapped() -> None:
    """On /stream each payload comes with its stream's name, subscribed by query or by message."""
    async with opened() as client, client.socket("/market/stream?streams=btcusdt@kline_5m/!ticker@arr") as socket:
        await client.step()
        got = await frames(socket)
        assert {frame["stream"] for frame in got} == {"btcusdt@kline_5m", "!ticker@arr"}
        assert any(closed(frame["data"]) for frame in got)


@pytest.mark.parametrize(
    ("address", "stream"),
    [
        ("/ws", "btcusdt@kline_5m"),
        ("/stream", "btcusdt@kline_5m"),
        ("/market/ws", "BTCUSDT@kline_5m"),
        ("/public/ws", "btcusdt@kline_5m"),
        ("/market/ws", "btcusdt@depth20@500ms"),
    ],
)
async def test_wrong_addresses_acknowledge_and_stay_silent(address: str, stream: str) -> None:
    """Old addresses, upper case and streams of the other route: an acknowledgement, then nothing."""
    async with opened() as client, client.socket(address, stream) as socket:
        await client.post("/sim/step")
        assert await frames(socket) == []


async def test_depth_streams_on_the_public_route() -> None:
    """Twenty levels a side, tagged as USD-M."""
    async with opened() as client, client.socket("/public/ws", "ethusdt@depth20@500ms") as socket:
        await client.post("/sim/step")
        frame = (await frames(socket))[0]
        assert (frame["e"], frame["s"], frame["st"], len(frame["b"]), len(frame["a"])) == (
            "depthUpdate",
            "ETHUSDT",
            1,
            20,
            20,
        )


async def test_messages_of_the_socket() -> None:
    """LIST, UNSUBSCRIBE and mistakes are answered as the exchange does."""
    async with opened() as client, client.socket("/market/ws", "btcusdt@kline_5m") as socket:
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        assert await socket.receive_json(timeout=PATIENCE_S) == {"result": ["btcusdt@kline_5m"], "id": 2}
        await socket.send_json({"method": "UNSUBSCRIBE", "params": ["btcusdt@kline_5m"], "id": 3})
        assert await socket.receive_json(timeout=PATIENCE_S) == {"result": None, "id": 3}
        await socket.send_json({"method": "DANCE", "id": 4})
        assert (await socket.receive_json(timeout=PATIENCE_S))["error"]["code"] == 2
        for parameters in ("btcusdt@kline_5m", [1], {"a": 1}):
            await socket.send_json({"method": "SUBSCRIBE", "params": parameters, "id": 5})
            assert (await socket.receive_json(timeout=PATIENCE_S))["error"]["code"] == 2
        await client.post("/sim/step")
        assert await frames(socket) == []


async def test_one_stream_too_many_closes_the_connection() -> None:
    """1024 streams are taken, the 1025th closes."""
    async with opened() as client, client.socket("/market/ws", *[f"x{n}usdt@kline_5m" for n in range(1_024)]) as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["one@kline_5m"], "id": 2})
        while (message := await socket.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_a_connection_lives_a_day() -> None:
    """After 24 hours of the exchange's clock it is cut; a younger one stays."""
    async with opened() as client, client.socket("/market/ws", "!miniTicker@arr") as old:
        client.simulator.clock.jump(START + LIFETIME_MS - BAR_MS)
        client.simulator.conductor._closed = client.simulator.clock.now() // BAR_MS
        async with client.socket("/market/ws", "!miniTicker@arr") as young:
            await client.post("/sim/step")
            await client.post("/sim/step")
            while (message := await old.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)
            assert len(await frames(young)) == 8


async def test_coin_margined_rows_are_mixed_in() -> None:
    """After the merger the arrays carry rows with st 2, and contracts that a scanner must leave alone."""
    async with opened() as client, client.socket("/market/ws", "!ticker@arr", "!markPrice@arr@1s") as socket:
        await client.post("/sim/step")
        for frame in (await frames(socket))[:2]:
            kinds = {row["s"]: row["st"] for row in frame}
            assert (kinds["BTCUSDT"], kinds["BTCUSD_PERP"]) == (1, 2)


async def test_a_running_clock_closes_bars_on_time() -> None:
    """At 300 times the speed a close comes each second, its frames within 100 ms."""
    async with (
        opened(speed=300.0) as client,
        client.socket("/market/ws", "btcusdt@kline_5m", "btcusdt@kline_15m") as socket,
    ):
        first = await until(socket, lambda frame: closed(frame) and frame["k"]["i"] == "5m")
        second = await until(socket, lambda frame: closed(frame) and frame["k"]["i"] == "5m")
        assert second["k"]["t"] - first["k"]["t"] == BAR_MS
        await until(socket, lambda frame: closed(frame) and frame["k"]["i"] == "15m")
        assert (await client.get("/sim/status"))["close_lag_ms"]["median"] < 100


async def test_a_replay_serves_the_file_and_ends() -> None:
    """REST and frames give the recorded prices and volumes; at the end closes stop and the status says so."""
    folder = SHARED_DATA / "market" / "um_5m"
    if not folder.exists():
        pytest.skip("the recorded bars are absent")
    market = RecordedMarket(folder, 3)
    assert market.end is not None
    async with opened(market, start=market.end - 2 * BAR_MS) as client:
        info = await client.get("/fapi/v1/exchangeInfo")
        assert info["simulated"] == {"estimated": ["taker", "quote_volume", "derivatives", "depth"], "replay": True}
        recorded = pd.read_parquet(folder / "ETHUSDT.parquet").set_index("open_time")
        for row in (await client.klines("ETHUSDT", "5m"))[:-1]:
            wanted = recorded.loc[row[0], ["open", "high", "low", "close", "volume"]]
            assert [float(value) for value in row[1:6]] == wanted.tolist()
        assert len(await client.klines("ETHUSDT", "4h")) == 499
        answers = [await client.step() for _ in range(3)]
        assert [answer["ended"] for answer in answers] == [False, True, True]
        assert (await client.get("/sim/status"))["ended"] is True


async def test_holes_and_later_listings_of_a_recording(tmp_path: Path) -> None:
    """A missing bar is missing, prices stand still meanwhile, and a coin recorded later is listed later."""
    whole = recording(tmp_path / "BTCUSDT.parquet", without=tuple(range(430, 436)))
    whole[whole["open_time"] >= whole["open_time"].iloc[0] + 2 * 86_400_000].to_parquet(tmp_path / "NEWUSDT.parquet")
    begin = 1_751_587_200_000 + 432 * BAR_MS
    async with opened(RecordedMarket(tmp_path, 5), start=begin + 100_000) as client:
        rows = await client.klines("BTCUSDT", "5m", 3)
        assert [row[0] for row in rows] == [begin - at * BAR_MS for at in (5, 4, 3)]
        for path in ("/fapi/v1/ticker/24hr", "/fapi/v1/ticker/price", "/fapi/v1/premiumIndex"):
            _, text, _ = await client.raw(path)
            assert "nan" not in text
            assert "NEWUSDT" not in text
        assert float((await client.get("/fapi/v1/ticker/price", symbol="BTCUSDT"))["price"]) == float(rows[-1][4])
        assert len((await client.get("/fapi/v1/depth", symbol="BTCUSDT", limit=20))["bids"]) == 20


async def test_an_exchange_whose_frames_ended_in_an_error_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runner is notified, so that it ends instead of answering with a market that stands still."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    simulator = Simulator(SeededMarket(2, 1, START), ServerOptions(start=START, speed=3_000.0))
    monkeypatch.setattr(simulator.conductor, "close_bar", fail)
    broken = asyncio.Event()
    await simulator.open("127.0.0.1", 0, broken=broken.set)
    await asyncio.wait_for(broken.wait(), 10)
    with pytest.raises(ZeroDivisionError):
        await simulator.close()


def test_closed_frames_of_a_close_can_go_out_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first coin's at the close, the others' spread over the seconds after it."""
    simulator = Simulator(SeededMarket(3, 1, START), ServerOptions(start=START, speed=10.0, spread=0.3))
    coins = [contract.symbol for contract in simulator.exchange.listed]
    sent: list[str] = []
    streams = {f"{symbol.lower()}@kline_5m" for symbol in coins}
    monkeypatch.setattr(simulator.hub, "streams", lambda: streams)
    monkeypatch.setattr(simulator.hub, "send", lambda stream, frame: sent.append(stream.partition("@")[0].upper()))
    close = simulator.conductor.next_close
    simulator.clock.jump(close)
    simulator.conductor.close_bar(close)
    at_each_moment = [list(sent)]
    for after in (999, 1_000, 1_999, 2_000):
        simulator.conductor._send_late(close + after)
        at_each_moment.append(list(sent))
    assert at_each_moment == [coins[:1], coins[:1], coins[:2], coins[:2], coins]


def test_the_program_says_where_it_listens_and_stops(tmp_path: Path) -> None:
    """The command line prints its port as JSON, serves, and ends on SIGTERM without an error."""
    command = [sys.executable, "-m", "services.simulator", "--port", "0", "--symbols", "3", "--lockstep"]
    command += ["--start", "2026-02-01T12:02:00Z", "--fault", "wick:ETHUSDT:60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(10) == 0
    assert said["port"] > 0
    assert said["now"] == 1_769_947_200_000  # in lockstep a close


def test_an_exchange_that_was_killed_has_not_gone_back_in_time(tmp_path: Path) -> None:
    """Killed after a close and started again with the same clock file, it stands at that close with the same bars."""
    command = [sys.executable, "-m", "services.simulator", "--port", "0", "--symbols", "3", "--lockstep"]
    command += ["--clock-file", str(tmp_path / "clock")]
    rows = []
    for expected in (0, 2 * BAR_MS):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            with httpx.Client(base_url=said["url"]) as client:
                assert client.get("/fapi/v1/time").json()["serverTime"] == START + expected
                rows.append(client.get(f"/fapi/v1/klines?symbol=ETHUSDT&interval=5m&limit=20&endTime={START}").text)
                for _ in range(2):
                    client.post("/sim/step", timeout=240)
            process.kill()
    assert rows[0].rpartition(",[")[0] == rows[1].rpartition(",[")[0]  # but for the bar that was open


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (("--fault", "nonsense"), "silent-subscription"),
        (("--start", "yesterday"), "not a time: 'yesterday'"),
        (("--replay", "{empty}"), "neither parquet nor CSV"),
        (("--host", "192.0.2.1"), "cannot listen on 192.0.2.1"),
        (("--clock-file", "{empty}/absent/clock"), "cannot be written"),
    ],
)
def test_a_wrong_command_line_is_told_without_a_traceback(tmp_path: Path, wrong: tuple[str, str], named: str) -> None:
    """What is wrong is named, with what there is where that helps."""
    command = [sys.executable, "-m", "services.simulator", *(word.format(empty=tmp_path) for word in wrong)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode in (1, 2)
    assert named in done.stderr
    assert "Traceback" not in done.stderr
