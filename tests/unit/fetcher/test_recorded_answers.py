"""The parsers on what the exchange really answered; skipped where the recordings are not at hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.fetcher.binance import rest_messages as answers
from services.fetcher.binance.ws_messages import hear
from services.fetcher.domain.derivatives import MarkPrice
from services.fetcher.feed import fear_greed as sentiment
from shared.contracts import Floats, unpack


def body(path: Path) -> bytes:
    """Return a recording's bytes, unpacked."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.parametrize("day", ["usdm_2021-07-22", "usdm_testnet_2025-03-06", "usdm_2026-03-31"])
def test_every_contract_of_a_recorded_exchange_info_is_read(shared_data: Path, day: str) -> None:
    """All rows; tradable are the TRADING USDT perpetuals on coins, each with its filter's own tick size."""
    text = body(shared_data / f"rest/exchangeInfo_{day}.json.gz")
    found, limit = answers.contracts(text)
    listed = json.loads(text)
    assert limit in {2_400, 6_000}
    assert len(found) == len(listed["symbols"])
    wanted = {"status": "TRADING", "contractType": "PERPETUAL", "underlyingType": "COIN", "quoteAsset": "USDT"}
    expected = {row["symbol"]: row for row in listed["symbols"] if wanted.items() <= row.items()}
    assert {symbol for symbol, one in found.items() if one.tradable} == set(expected)
    for symbol, row in expected.items():
        ticks = [part["tickSize"] for part in row["filters"] if part["filterType"] == "PRICE_FILTER"]
        assert found[symbol].tick_size == float(ticks[0])


def test_kinds_that_came_later_are_skipped_and_named(shared_data: Path) -> None:
    """Shares, commodities and coins before their market are no coins; names beyond ASCII stay as they are."""
    found, _ = answers.contracts(body(shared_data / "rest/exchangeInfo_usdm_2026-03-31.json.gz"))
    reasons = [one.unknown for one in found.values() if not one.tradable]
    assert reasons.count("contract type") == 28
    assert reasons.count("underlying type") > 0
    assert found["币安人生USDT"].tradable
    assert not any(one.unknown for one in found.values() if one.tradable)


def test_recorded_klines_of_five_hundred_symbols_become_the_same_numbers(shared_data: Path) -> None:
    """Each value is what float() makes of its cell."""
    recorded = json.loads(body(shared_data / "rest/klines_1d_allsymbols_2025-06.json.gz"))
    assert len(recorded) > 500
    for rows in recorded.values():
        expected = np.array([[float(row[column]) for column in answers.KLINE_COLUMNS] for row in rows]).T
        np.testing.assert_array_equal(answers.parse_klines(json.dumps(rows).encode()), expected)


def test_recorded_prices_marks_and_books_are_read(shared_data: Path) -> None:
    """All symbols, none without a price; books keep their order."""
    at, prices = answers.prices(body(shared_data / "rest/ticker_price_all_2025-06-29.json"))
    assert at == 1_751_178_647_807
    assert len(prices) == 519
    marks = answers.mark_prices(body(shared_data / "rest/premiumIndex_all_2025-06-17.json.gz"))
    assert len(marks) == 521
    assert sum(one.rate is not None for one in marks.values()) > 500
    for path in (shared_data / "rest").glob("depth_*.json.gz"):
        book = answers.book(body(path), estimated=False)
        bids, asks = unpack(book.bids).reshape(-1, 2), unpack(book.asks).reshape(-1, 2)
        assert (np.diff(bids[:, 0]) < 0).all()
        assert (np.diff(asks[:, 0]) > 0).all()
        assert bids[0, 0] < asks[0, 0]


Parse = Callable[[bytes], tuple[Floats, Floats]]


@pytest.mark.parametrize(
    ("name", "parse", "first"),
    [
        ("funding_rate", answers.funding_rates, 6.955e-05),
        ("open_interest_hist", answers.open_interest, 102_500.985),
        ("global_long_short", answers.ratios, 1.3213),
        ("top_trader_ratio", answers.ratios, 1.4716),
    ],
)
def test_recorded_futures_data_is_read(shared_data: Path, name: str, parse: Parse, first: float) -> None:
    """Four points each, whose stamps are numbers although the documentation shows strings."""
    times, values = parse(body(shared_data / f"rest/live_2026-07-19/binance_{name}_sample.json"))
    assert len(times) == 4
    assert (np.diff(times) > 0).all()
    assert values[0] == first


def test_the_recorded_sentiment_is_the_newest_of_its_week(shared_data: Path) -> None:
    """Value, label and stamp of the first row."""
    found = sentiment.parse(body(shared_data / "rest/live_2026-07-19/fng_sample.json"), 7)
    assert (found.value, found.label, found.at) == (28, "Fear", 1_784_419_200_000)


#: documented examples: the third line on is the answer
DOCUMENTED: dict[str, Callable[[bytes], Any]] = {
    "GetExchangeInfo": answers.contracts,
    "GetFundingInfo": answers.funding_intervals,
    "GetFundingRates": answers.funding_rates,
    "GetGlobalLongShortAccountRatio": answers.ratios,
    "GetKlines": answers.parse_klines,
    "GetOpenInterestHistory": answers.open_interest,
    "GetOrderBook": lambda text: answers.book(text, estimated=False),
    "GetServerTime": answers.server_time,
    "GetTopLongShortAccountRatio": answers.ratios,
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_answers_are_read_with_their_white_space(shared_data: Path, name: str) -> None:
    """What the documentation shows is not refused for how it is printed."""
    text = "\n".join((shared_data / f"rest/jkorf/{name}.txt").read_text(encoding="utf-8").splitlines()[3:])
    assert np.size(DOCUMENTED[name](text.strip().encode())) > 0


@pytest.mark.parametrize(
    ("name", "status", "meaning"),
    [("ban_418_real_2025", 418, -1003), ("too_many_429", 429, -1003), ("invalid_symbol", 400, -1121)],
)
def test_recorded_errors_tell_their_code(shared_data: Path, name: str, status: int, meaning: int) -> None:
    """The code is read, and of a ban its end."""
    recorded = json.loads(body(shared_data / "rest/messaging/binance_errors.json"))[name]
    text = recorded["raw"].encode()
    assert (recorded["status"], answers.error_code(text)) == (status, meaning)
    assert answers.banned_until(text) == (1_746_327_239_762 if status == 418 else 0)


class Heard:
    """Counts its calls."""

    def __init__(self) -> None:
        self.bars: list[str] = []
        self.last: dict[str, float] = {}
        self.marked: dict[str, MarkPrice] = {}

    def closed_bar(self, symbol: str, bar: Floats, event_time: int) -> None:
        self.bars.append(symbol)

    def prices(self, event_time: int, prices: dict[str, float]) -> None:
        self.last |= prices

    def marks(self, event_time: int, marks: dict[str, MarkPrice]) -> None:
        self.marked |= marks


def test_recorded_frames_of_the_merged_streams_are_heard(shared_data: Path) -> None:
    """Ticker and mark price rows as they are sent, next to rows of the other market."""
    heard = Heard()
    for stream, name in (("!ticker@arr", "ticker_stream"), ("!markPrice@arr@1s", "mark_price_stream")):
        row = json.loads((shared_data / f"ws/nautilus/{name}.json").read_text(encoding="utf-8"))
        other = row | {"s": "BTCUSD_PERP", "st": 2}
        hear(json.dumps({"stream": stream, "data": [row, other]}).encode(), heard)
    assert heard.last == {"BTCUSDT": 16_584.6}
    assert heard.marked["BTCUSDT"].rate == 0.00038167
    assert set(heard.marked) == {"BTCUSDT"}


def test_recorded_frames_of_other_streams_tell_nothing(shared_data: Path) -> None:
    """Minutes, books and trades of a real socket are no five-minute bars, and nothing of them raises."""
    heard = Heard()
    lines = body(shared_data / "ws/cryptofeed_2021-07-22_usdm_multi.txt.gz").splitlines()
    for line in lines:
        hear(line.partition(b": ")[2], heard)
    assert len(lines) > 100
    assert (heard.bars, heard.last, heard.marked) == ([], {}, {})
