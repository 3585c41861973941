"""Every fault that the simulator plays, seen by a reader over real HTTP and WebSocket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from services.simulator.exchange import NEW_LISTING
from services.simulator.faults.faults import KINDS
from services.simulator.instruments import BAR_MS
from tests.integration.simulator.test_simulator import START, Client, closed, frames, opened
from tests.patience import PATIENCE_S


async def play(client: Client, name: str, **more: object) -> None:
    """Turn a fault on over HTTP."""
    answer = await client.post("/sim/faults", {"name": name, **more})
    assert any(fault["name"] == name for fault in answer["faults"]) or name == "disconnect"


async def bars_after_a_step(client: Client, *names: str, **more: object) -> dict[str, list[Any]]:
    """Play faults, step once, and return each symbol's closed frames."""
    async with client.socket("/market/ws", "btcusdt@kline_5m", "ethusdt@kline_5m") as socket:
        for name in names:
            await play(client, name, **more)
        await client.step()
        got = [frame for frame in await frames(socket) if closed(frame)]
    return {symbol: [frame["k"] for frame in got if frame["s"] == symbol] for symbol in ("BTCUSDT", "ETHUSDT")}


async def newest(client: Client, symbol: str = "ETHUSDT") -> list[Any]:
    """Return the last closed five-minute bar from REST."""
    return (await client.klines(symbol, "5m", 2))[0]


async def contract(client: Client, symbol: str = "ETHUSDT") -> dict[str, Any]:
    symbols = (await client.get("/fapi/v1/exchangeInfo"))["symbols"]
    return next((entry for entry in symbols if entry["symbol"] == symbol), {})


async def test_silence_after_the_acknowledgement() -> None:
    """Subscriptions are acknowledged, no frame follows, REST goes on."""
    async with opened() as client:
        assert await bars_after_a_step(client, "silent-subscription") == {"BTCUSDT": [], "ETHUSDT": []}
        assert (await newest(client))[0] == START


async def test_one_silent_symbol() -> None:
    """Only the symbol's own stream is silent."""
    async with opened() as client:
        bars = await bars_after_a_step(client, "silent-symbol", symbol="ETHUSDT")
        assert (len(bars["BTCUSDT"]), len(bars["ETHUSDT"])) == (1, 0)


async def test_disconnect_cuts_every_socket() -> None:
    """All sockets end; a new one is taken."""
    async with opened() as client, client.socket("/market/ws", "btcusdt@kline_5m") as socket:
        await play(client, "disconnect")
        assert (await socket.receive(timeout=PATIENCE_S)).type is not aiohttp.WSMsgType.TEXT
        assert len((await bars_after_a_step(client))["BTCUSDT"]) == 1


async def test_disconnect_for_a_while() -> None:
    """With seconds, new sockets are cut too until the time is over."""
    async with opened() as client:
        await play(client, "disconnect", seconds=30)
        with pytest.raises((AssertionError, TypeError, aiohttp.ClientError)):
            async with client.socket("/market/ws", "btcusdt@kline_5m"):
                pass


async def test_missing_and_late_bars() -> None:
    """A missing bar never comes, a late one comes with the next step; REST has both."""
    async with opened() as client:
        assert (await bars_after_a_step(client, "missing-bar", symbol="ETHUSDT"))["ETHUSDT"] == []
        assert (await newest(client))[0] == START
        await client.post("/sim/faults", {"clear": True})
        async with client.socket("/market/ws", "ethusdt@kline_5m") as socket:
            await play(client, "late-bar")
            await client.step()
            assert [frame for frame in await frames(socket) if closed(frame)] == []
            assert (await newest(client))[0] == START + BAR_MS
            await client.post("/sim/faults", {"clear": True})
            await client.step()
            late = [frame["k"]["t"] for frame in await frames(socket) if closed(frame)]
            assert late == [START + BAR_MS, START + 2 * BAR_MS]


async def test_an_open_bar_claims_to_be_closed() -> None:
    """A frame says closed before the close, with other values than the true one after it."""
    async with opened() as client, client.socket("/market/ws", "ethusdt@kline_5m") as socket:
        await play(client, "open-as-closed")
        await client.step()
        claimed, true = [frame for frame in await frames(socket) if closed(frame)]
        assert claimed["E"] < claimed["k"]["T"] < true["E"]
        assert claimed["k"]["v"] != true["k"]["v"]


async def test_a_revised_bar() -> None:
    """REST has another close and volume than the frame had."""
    async with opened() as client:
        frame = (await bars_after_a_step(client, "revised-bar"))["ETHUSDT"][0]
        row = await newest(client)
        assert frame["t"] == row[0]
        assert frame["c"] != row[4]
        assert float(frame["v"]) < float(row[5])


async def test_duplicates_and_old_bars() -> None:
    """The closed frame comes twice, or is followed by the one before it."""
    async with opened() as client:
        twice = (await bars_after_a_step(client, "duplicate-bar"))["ETHUSDT"]
        assert len(twice) == 2
        assert twice[0] == twice[1]
    async with opened() as client:
        bars = (await bars_after_a_step(client, "out-of-order-bar"))["ETHUSDT"]
        assert [bar["t"] for bar in bars] == [START, START - BAR_MS]


async def test_a_gap_in_all_symbols_that_is_filled_afterwards() -> None:
    """While the exchange is down no bar is made; afterwards REST has them."""
    async with opened() as client:
        assert await bars_after_a_step(client, "gap-all") == {"BTCUSDT": [], "ETHUSDT": []}
        for interval in ("5m", "1h", "4h"):
            assert (await client.klines("BTCUSDT", interval, 3))[-1][0] < START
        await client.post("/sim/faults", {"clear": True})
        assert (await newest(client))[0] == START


async def test_zero_volume() -> None:
    """Flat bars without a trade, the same on both ways, and in the higher bars that they are part of."""
    async with opened() as client:
        before = (await client.klines("ETHUSDT", "1h", 1))[0]
        frame = (await bars_after_a_step(client, "zero-volume"))["ETHUSDT"][0]
        row = await newest(client)
        assert (float(frame["v"]), frame["n"], frame["h"]) == (0.0, 0, frame["l"])
        assert (float(row[5]), row[8], row[2]) == (0.0, 0, row[3])
        hour = (await client.klines("ETHUSDT", "1h", 1))[0]
        assert float(hour[5]) == float(before[5]) == 0.0


@pytest.mark.parametrize(
    ("name", "text"), [("nan", '"c":"NaN"'), ("infinity", '"c":"Infinity"'), ("nan-literal", '"c":NaN')]
)
async def test_what_is_not_a_number(name: str, text: str) -> None:
    """Strings that float() takes and JSON that is none, on the stream and in REST."""
    async with opened() as client, client.socket("/market/ws", "ethusdt@kline_5m") as socket:
        await play(client, name, symbol="ETHUSDT")
        await client.step()
        got: list[str] = []
        while not got or '"x":true' not in got[-1]:
            got.append((await socket.receive(timeout=PATIENCE_S)).data)
        assert text in got[-1]
        _, body, _ = await client.raw("/fapi/v1/klines", symbol="ETHUSDT", interval="5m", limit=2)
        assert text.removeprefix('"c":') in body
        _, body, _ = await client.raw("/fapi/v1/klines", symbol="BTCUSDT", interval="5m", limit=2)
        assert "NaN" not in body
        assert "Infinity" not in body


async def test_a_wick_that_the_mark_price_does_not_follow() -> None:
    """The low falls to a thousandth while the mark stays where the close is."""
    async with opened() as client:
        bar = (await bars_after_a_step(client, "wick", symbol="ETHUSDT"))["ETHUSDT"][0]
        assert float(bar["l"]) < 0.01 * float(bar["c"])
        mark = float((await client.get("/fapi/v1/premiumIndex", symbol="ETHUSDT"))["markPrice"])
        assert abs(mark / float(bar["c"]) - 1) < 0.05
        assert float((await client.klines("ETHUSDT", "4h", 1))[0][3]) < 0.01 * mark


@pytest.mark.parametrize(("name", "column"), [("zero-price", 4), ("negative-price", 3)])
async def test_prices_that_cannot_be(name: str, column: int) -> None:
    """Bars at zero and below."""
    async with opened() as client:
        await bars_after_a_step(client, name, symbol="ETHUSDT")
        assert float((await newest(client))[column]) <= 0


async def test_a_new_listing_has_no_history() -> None:
    """The contract is TRADING, onboarded now, and has one bar."""
    async with opened() as client:
        assert await contract(client, NEW_LISTING) == {}
        await play(client, "new-listing")
        entry = await contract(client, NEW_LISTING)
        assert (entry["status"], entry["onboardDate"]) == ("TRADING", START)
        await client.step()
        assert len(await client.klines(NEW_LISTING, "5m")) == 2


async def test_a_delisting() -> None:
    """Status, price 0, no further bar; the others go on."""
    async with opened() as client:
        bars = await bars_after_a_step(client, "delisted", symbol="ETHUSDT")
        assert (len(bars["BTCUSDT"]), len(bars["ETHUSDT"])) == (1, 0)
        assert (await contract(client))["status"] == "SETTLING"
        assert float((await client.get("/fapi/v1/ticker/price", symbol="ETHUSDT"))["price"]) == 0
        assert (await client.klines("ETHUSDT", "5m", 1))[0][0] == START


async def test_unknown_enumerations() -> None:
    """Status, contract type, filter and event that no list has."""
    async with opened() as client, client.socket("/market/ws", "!ticker@arr") as socket:
        await play(client, "unknown-enum", symbol="ETHUSDT")
        entry = await contract(client)
        assert (entry["status"], entry["contractType"]) == ("UNDER_REVIEW", "PERPETUAL_V9")
        assert entry["filters"][-1]["filterType"] == "LUNAR_PHASE"
        await client.step()
        assert (await frames(socket))[0][-1]["e"] == "tideTable"


async def test_a_coarser_tick() -> None:
    """exchangeInfo says so, and new prices are on it while old ones are not."""
    async with opened() as client:
        before = (await contract(client))["filters"][0]["tickSize"]
        bar = (await bars_after_a_step(client, "tick-size-change", symbol="ETHUSDT"))["ETHUSDT"][0]
        after = (await contract(client))["filters"][0]["tickSize"]
        assert float(after) == pytest.approx(10 * float(before))
        assert float(bar["c"]) / float(after) == pytest.approx(round(float(bar["c"]) / float(after)))


async def test_funding_intervals() -> None:
    """8 h become 4 h in fundingInfo, in the settlements and in the next funding time; or it is not listed."""
    async with opened() as client:
        await play(client, "funding-interval-change", symbol="BTCUSDT")
        hours = {row["symbol"]: row["fundingIntervalHours"] for row in await client.get("/fapi/v1/fundingInfo")}
        assert hours["BTCUSDT"] == 4
        a, b = await client.get("/fapi/v1/fundingRate", symbol="BTCUSDT", limit=2)
        assert round((b["fundingTime"] - a["fundingTime"]) / 3_600_000) == 4
        await play(client, "funding-interval-missing", symbol="ETHUSDT")
        assert "ETHUSDT" not in {row["symbol"] for row in await client.get("/fapi/v1/fundingInfo")}
        assert await client.get("/fapi/v1/fundingRate", symbol="ETHUSDT") == []


async def test_open_interest_fails_or_lags() -> None:
    """400 for one symbol, or points that end half an hour ago."""
    query: dict[str, object] = {"period": "5m", "limit": 3}
    async with opened() as client:
        await play(client, "oi-400", symbol="ETHUSDT")
        assert (await client.raw("/futures/data/openInterestHist", symbol="ETHUSDT", **query))[0] == 400
        assert (await client.raw("/futures/data/openInterestHist", symbol="BTCUSDT", **query))[0] == 200
        await play(client, "oi-lag")
        points = await client.get("/futures/data/openInterestHist", symbol="BTCUSDT", **query)
        assert points[-1]["timestamp"] <= START - 1_800_000


@pytest.mark.parametrize(
    ("name", "status", "kind", "text"),
    [
        ("429", 429, "application/json", "-1003"),
        ("418", 418, "application/json", "banned until"),
        ("403", 403, "text/html", "Forbidden"),
        ("451", 451, "application/json", "restricted location"),
        ("html-502", 502, "text/html", "Bad Gateway"),
        ("error-1001", 503, "application/json", "-1001"),
        ("error-1003", 429, "application/json", "-1003"),
    ],
)
async def test_answers_that_refuse(name: str, status: int, kind: str, text: str) -> None:
    """Each status with its body; over after the fault's seconds."""
    async with opened(speed=1.0) as client:
        await play(client, name, seconds=0.4)
        got, body, headers = await client.raw("/fapi/v1/ping")
        assert got == status
        assert text in body
        assert headers["Content-Type"].startswith(kind)
        assert ("Retry-After" in headers) == (name in ("429", "418"))
        await asyncio.sleep(0.5)
        assert (await client.raw("/fapi/v1/ping"))[0] == 200


async def test_answers_take_their_time() -> None:
    """A slow exchange answers after three seconds."""
    async with opened() as client:
        await play(client, "slow")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.raw("/fapi/v1/ping"), 2.0)
        assert (await client.raw("/fapi/v1/ping"))[0] == 200


async def test_the_clock_is_skewed_or_unknown() -> None:
    """The time answer is 90 s ahead, or cannot be had."""
    async with opened() as client:
        await play(client, "clock-skew")
        assert (await client.get("/fapi/v1/time"))["serverTime"] == START + 90_000
        await play(client, "time-unavailable")
        assert (await client.raw("/fapi/v1/time"))[0] == 503


async def test_everything_answers_and_nothing_moves() -> None:
    """Stale: no frames, and REST is as it was when the fault began."""
    async with opened() as client:
        before = (await client.raw("/fapi/v1/ticker/24hr"))[1]
        bars = await client.klines("ETHUSDT", "5m", 3)
        assert await bars_after_a_step(client, "stale") == {"BTCUSDT": [], "ETHUSDT": []}
        assert (await client.raw("/fapi/v1/ticker/24hr"))[1] == before
        assert await client.klines("ETHUSDT", "5m", 3) == bars
        assert (await client.get("/fapi/v1/time"))["serverTime"] == START + BAR_MS


async def test_after_the_faults_all_is_as_if_nothing_had_been() -> None:
    """Windows are byte for byte those of an undisturbed exchange once the faults are cleared."""
    async with opened() as disturbed, opened() as quiet:
        for name in sorted(set(KINDS) - {"418", "slow"}):
            await play(disturbed, name, symbol="ETHUSDT")
        for client in (disturbed, quiet):
            await client.post("/sim/step")
            await client.post("/sim/step")
        await disturbed.post("/sim/faults", {"clear": True})
        for symbol in ("BTCUSDT", "ETHUSDT"):
            for interval in ("5m", "15m", "1h", "4h"):
                query = {"symbol": symbol, "interval": interval, "limit": 499}
                one, two = [await client.raw("/fapi/v1/klines", **query) for client in (disturbed, quiet)]
                assert one[1] == two[1]


async def test_faults_are_listed_and_unknown_ones_refused() -> None:
    """The status names what is on; a misspelt name is an error that lists the names."""
    async with opened() as client:
        await play(client, "wick", symbol="ETHUSDT", seconds=60)
        fault = (await client.get("/sim/status"))["faults"][0]
        assert (fault["name"], fault["symbol"]) == ("wick", "ETHUSDT")
        assert 0 < fault["seconds_left"] <= 60
        assert "silent-symbol" in json.dumps(await client.post("/sim/faults", {"name": "nonsense"}))
