"""The fetcher's pure parts: clock, universe, derivatives, parsing, frames, scan opening."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from services.fetcher.binance import rest_messages as answers
from services.fetcher.binance.rest_messages import parse_klines
from services.fetcher.binance.ws_messages import hear, kline_stream
from services.fetcher.domain import snapshot as handler
from services.fetcher.domain.derivatives import MarkPrice, PointSeries, SymbolDerivatives
from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.snapshot import Coin
from services.fetcher.domain.symbol_windows import SymbolWindows
from services.fetcher.domain.universe import select
from services.fetcher.exchange import GarbledError
from services.fetcher.feed import fear_greed as sentiment
from services.fetcher.feed.clock import ExchangeClock
from shared.contracts import SCAN_MS, Depth, Floats, unpack
from shared.settings import UniverseSettings

HOUR = 3_600_000
DAY = 24 * HOUR


class Wall:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_clock_runs_at_its_speed_from_the_newest_event() -> None:
    """Older events say nothing new; at 60× one wall second is a minute."""
    wall = Wall()
    clock = ExchangeClock(60, wall)
    assert not clock.known
    clock.observe(1_000_000)
    clock.observe(900_000)
    wall.seconds = 1.0
    assert clock.now() == 1_060_000


def test_in_lockstep_only_events_move_the_clock() -> None:
    """At speed 0 no wall time counts."""
    wall = Wall()
    clock = ExchangeClock(0, wall)
    clock.observe(1_000_000)
    wall.seconds = 500.0
    assert clock.now() == 1_000_000


def test_events_overrule_the_answer_to_what_time_is_it() -> None:
    """A time answer that is 90 s ahead is corrected by the first event, and not believed while events come."""
    wall = Wall()
    clock = ExchangeClock(1, wall)
    clock.synchronise(1_090_000)
    clock.observe(1_000_000)
    assert clock.now() == 1_000_000
    clock.synchronise(1_090_000)
    assert clock.now() == 1_000_000


async def test_an_answer_waits_for_the_event_that_confirms_it() -> None:
    """The wait ends with the first event; without one it ends as well, and an answer alone is then believed."""
    clock = ExchangeClock(1)
    clock.synchronise(1_090_000)
    waiting = asyncio.ensure_future(clock.confirmed(600))
    await asyncio.sleep(0)
    clock.synchronise(1_091_000)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.observe(1_000_000)
    await waiting
    await clock.confirmed(600)
    silent = ExchangeClock(1)
    silent.synchronise(1_090_000)
    await silent.confirmed(0.01)
    assert silent.now() >= 1_090_000


def test_an_exchange_whose_time_stands_still_does_not_stop_the_clock() -> None:
    """The same answer again and again is not believed; one that moves is."""
    wall = Wall()
    clock = ExchangeClock(1, wall)
    clock.synchronise(1_000_000)
    wall.seconds = 60.0
    clock.synchronise(1_000_000)
    assert clock.now() == 1_060_000
    clock.synchronise(1_055_000)
    assert clock.now() == 1_055_000
    clock.observe(1_050_000)
    wall.seconds = 70.0
    clock.observe(1_050_000)
    assert clock.now() == 1_060_000


def coins(**changes: Instrument) -> dict[str, Instrument]:
    """Return twenty instruments A…T."""
    return {f"{letter}USDT": Instrument(f"{letter}USDT", 0.1, 0, True) for letter in "ABCDEFGHIJKLMNOPQRST"} | changes


VOLUMES = {symbol: 1e9 - 1e6 * number for number, symbol in enumerate(coins())}


def test_a_coin_at_the_edge_does_not_flap() -> None:
    """A held coin stays just below the edge and leaves further down."""
    wanted = UniverseSettings(size=10, min_quote_volume=0, hysteresis=0.2)
    held = select(coins(), VOLUMES, wanted, 0, bitcoin="BTCUSDT").symbols
    assert held == tuple(VOLUMES)[:10]
    swapped = VOLUMES | {"KUSDT": VOLUMES["JUSDT"], "JUSDT": VOLUMES["KUSDT"]}
    assert set(select(coins(), swapped, wanted, 0, held, bitcoin="BTCUSDT").symbols) == set(held)
    fallen = VOLUMES | {"JUSDT": 0.0}
    assert "JUSDT" not in select(coins(), fallen, wanted, 0, held, bitcoin="BTCUSDT").symbols


def test_includes_excludes_age_and_volume_are_obeyed() -> None:
    """Included at any volume, excluded always; too young and too thin coins stay out; Bitcoin is held."""
    wanted = UniverseSettings(size=3, include=("TUSDT",), exclude=("AUSDT",), min_age_days=2, min_quote_volume=10)
    young = coins(BUSDT=Instrument("BUSDT", 0.1, 9 * DAY, True), CUSDT=Instrument("CUSDT", 0.1, 0, False))
    volumes = VOLUMES | {"DUSDT": 5.0}
    selection = select(young, volumes, wanted, 10 * DAY, bitcoin="BTCUSDT")
    assert selection.symbols == ("EUSDT", "FUSDT", "TUSDT")
    assert selection.held[0] == "BTCUSDT"


def test_a_series_is_cut_at_its_stamp_whenever_it_was_fetched() -> None:
    """Overlapping fetches merge by stamp; what is newer than the cut stays out."""
    series = PointSeries()
    series.merge(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0]))
    series.merge(np.array([3.0, 4.0]), np.array([31.0, 40.0]))
    times, values = series.cut(3).arrays()
    assert times.tolist() == [1, 2, 3]
    assert values.tolist() == [10, 20, 31]


def test_the_funding_interval_is_what_is_listed_or_seen_else_unknown() -> None:
    """Eight hours are never assumed."""
    held = SymbolDerivatives()
    assert held.interval_hours(DAY) is None
    held.funding.merge(np.array([4.0 * HOUR, 8.0 * HOUR + 12]), np.array([1e-4, 1e-4]))
    assert held.interval_hours(DAY) == 4
    held.listed_hours = 1
    assert held.interval_hours(DAY) == 1


def test_marks_are_cut_five_minutes_before_the_scan() -> None:
    """The newest mark not later than that is used; impossible ones are not kept."""
    held = SymbolDerivatives()
    for at, price in ((100_000, 10.0), (700_000, 11.0), (950_000, 12.0), (960_000, float("nan"))):
        held.observe(MarkPrice(at, price, price, 1e-4))
    held.observe(MarkPrice(650_000, 11.0, 11.0, float("inf")))
    cut = held.cut(1_200_000)
    assert (cut.funding_at, cut.mark_price) == (700_000, 11.0)


ROW = (
    b'[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499644799999,'
    b'"2434.19055334",308,"1756.87402397","28.46694368","17928899.62484339"]'
)


def test_klines_become_columns() -> None:
    """Rows of twelve become the eight columns, strings and numbers alike, with any white space."""
    matrix = parse_klines(b"[" + ROW + b",\n " + ROW + b"]")
    assert matrix.shape == (8, 2)
    assert matrix[:, 0].tolist() == [
        1499040000000, 0.0163479, 0.8, 0.015758, 0.015771, 148976.11427815, 2434.19055334, 1756.87402397
    ]  # fmt: skip
    assert parse_klines(b"[]").shape == (8, 0)


@pytest.mark.parametrize(
    "body", [b'{"code":-1121}', b"<html>", b"[[1,2,3]]", b"[[NaN]]", b'[["x"]]', b"[" + ROW[:-1], b'[{"a":1}]', b""]
)
def test_anything_but_complete_rows_of_numbers_is_garbled(body: bytes) -> None:
    """Errors, pages, cut and short rows raise."""
    with pytest.raises(GarbledError):
        parse_klines(body)


@pytest.mark.parametrize("text", [b"[[1,2,3,4,5,6,7,8,9,10,11]]", b"[[1],[2]]", b"[" + ROW + b"," + ROW[:-1] + b",1]]"])
def test_rows_that_are_too_short_or_too_long_are_garbled(text: bytes) -> None:
    """Nothing is shifted into another column."""
    with pytest.raises(GarbledError):
        parse_klines(text)


def test_one_row_that_cannot_be_read_does_not_cost_the_others() -> None:
    """A null, a word or broken text in one contract's row is left out; a list without any good row is garbled."""
    rows = [b'{"symbol":"A","price":"1","time":5}', b'{"symbol":"B","price":null}', b'{"symbol":"C\xff","price":"1"}']
    assert answers.prices(b"[" + b",".join(rows) + b"]") == (5, {"A": 1.0})
    with pytest.raises(GarbledError):
        answers.prices(b"[" + rows[1] + b"]")
    heard = Heard()
    told = [{"s": "A", "c": None, "E": 6, "st": 1}, {"s": "B", "c": "2", "E": 5, "st": 1}]
    hear(msgspec.json.encode({"stream": "!ticker@arr", "data": told}), heard)
    assert heard.told == {"B": 2.0}


def test_prices_that_are_none_are_left_out_over_rest_as_well() -> None:
    """Zero, negative and infinite last prices are dropped."""
    rows = [{"symbol": price, "price": price, "time": 1} for price in ("0", "-1", "inf", "nan", "2")]
    assert answers.prices(msgspec.json.encode(rows)) == (1, {"2": 2.0})


class Heard:
    """Keeps its calls."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, Floats]] = []
        self.told: dict[str, float] = {}

    def closed_bar(self, symbol: str, bar: Floats, event_time: int) -> None:
        self.bars.append((symbol, bar))

    def prices(self, event_time: int, prices: dict[str, float]) -> None:
        self.told = prices

    def marks(self, event_time: int, marks: dict[str, MarkPrice]) -> None:
        raise AssertionError("no marks come here")


def kline(closed: bool, event: int = 1_300_000, close: str = "2.0") -> bytes:
    """Return a combined kline frame."""
    candle = {
        "t": 1_000_000,
        "T": 1_299_999,
        "s": "币安人生USDT",
        "i": "5m",
        "o": "1.0",
        "h": "3.0",
        "l": "0.5",
        "c": close,
    }
    candle |= {"v": "10", "q": "20", "V": "5", "x": closed}
    data = {"e": "kline", "E": event, "s": "币安人生USDT", "k": candle}
    return msgspec.json.encode({"stream": "币安人生usdt@kline_5m", "data": data})


def test_only_closed_bars_whose_time_is_over_are_heard() -> None:
    """Open candles are skipped, and so is one that calls itself closed too early; the key is the open time."""
    heard = Heard()
    for frame in (kline(False), kline(True, event=1_290_000), kline(True), kline(True)[:-9]):
        hear(frame, heard)
    assert [(symbol, bar.tolist()) for symbol, bar in heard.bars] == [
        ("币安人生USDT", [1_000_000, 1.0, 3.0, 0.5, 2.0, 10.0, 20.0, 5.0])
    ]


def test_rows_of_the_other_market_and_impossible_prices_are_left_out() -> None:
    """The merged ticker stream carries COIN-M rows; zero and infinite prices are no prices."""
    rows = [
        {"s": "AUSDT", "c": "2", "E": 5, "st": 1},
        {"s": "AUSD_PERP", "c": "2", "E": 5, "st": 2},
        {"s": "BUSDT", "c": "0", "E": 5, "st": 1},
    ]
    heard = Heard()
    hear(msgspec.json.encode({"stream": "!ticker@arr", "data": rows}), heard)
    assert heard.told == {"AUSDT": 2.0}


def test_stream_names_are_lower_case() -> None:
    """Upper-case names are acknowledged and stay silent."""
    assert kline_stream("币安人生USDT") == "币安人生usdt@kline_5m"


def coin(symbol: str, last: int, *, tradable: bool = True) -> Coin:
    """Return a coin whose window ends with the bar opening at *last*."""
    windows = SymbolWindows(symbol)
    times = np.arange(last - 9 * SCAN_MS, last + 1, SCAN_MS, dtype=np.float64)
    windows.load({"5m": np.array([times, *(np.full(10, 5.0) for _ in range(7))])})
    return Coin(Instrument(symbol, 0.1, 0, tradable), windows)


def test_a_scan_names_everyone_who_is_missing_and_why() -> None:
    """Late, not trading and never loaded are different reasons; the rest is in."""
    scan = 100 * SCAN_MS
    held = {
        "A": coin("A", scan - SCAN_MS),
        "B": coin("B", scan - 2 * SCAN_MS),
        "C": coin("C", scan - SCAN_MS, tradable=False),
        "E": coin("E", scan - SCAN_MS),
        "F": coin("F", scan - SCAN_MS),
        "G": coin("G", scan - SCAN_MS),
    }
    opened = handler.open_scan(held, tuple("ABCDEFG"), scan, settings_version=1, now=scan)
    assert opened.missing == {"B": "late bar", "C": "not trading", "D": "not loaded"}
    assert opened.symbols == ("A", "E", "F", "G")
    assert not opened.degraded


def test_a_book_from_outside_its_twenty_seconds_is_absent() -> None:
    """Depth older than 20 s before the close, or newer than it, is not shown."""
    scan = 100 * SCAN_MS
    held = coin("A", scan - SCAN_MS)
    none = np.empty((8, 0))
    for at, there in ((scan - 20_000, False), (scan - 19_999, True), (scan, True), (scan + 1, False)):
        held.depth = Depth(at=at, bids=b"", asks=b"")
        snapshot = handler.snapshot(held, none, scan, settings_version=1, sentiment=None)
        assert (snapshot.depth is not None) is there


def test_bitcoin_is_aligned_or_absent() -> None:
    """Closes stand at the symbol's bar times; where one is not held, none are given."""
    bitcoin = coin("BTCUSDT", 100 * SCAN_MS).windows.windows["5m"].bars
    assert unpack(handler.aligned(bitcoin, bitcoin[0, 3:])).size == 7
    assert handler.aligned(bitcoin, bitcoin[0] - SCAN_MS) == b""


ABSURD = b'{"data":[{"value":"101","value_classification":"x","timestamp":"1"}]}'


@pytest.mark.parametrize("body", [b"{}", b'{"data":[]}', b"<html>", ABSURD])
def test_a_wrong_sentiment_answer_is_an_error_not_a_value(body: bytes) -> None:
    """Nothing but an index from 0 to 100 is taken."""
    with pytest.raises(ValueError, match="index"):
        sentiment.parse(body, 0)
