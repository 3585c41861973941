"""The exchange's answers: bytes in, arrays and values out; anything else raises `GarbledError`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from services.fetcher.binance.enums import KNOWN_STATES, KNOWN_TYPES, KNOWN_UNDERLYINGS, PERPETUAL
from services.fetcher.binance.json import UNREADABLE, decoder, rows
from services.fetcher.domain.derivatives import MarkPrice
from services.fetcher.domain.instruments import Instrument
from services.fetcher.exchange import GarbledError
from shared.contracts import COLUMNS, Depth, Floats, pack

KLINE_FIELDS: Final = 12
SIMULATED: Final = b'"simulated"'  #: a key that the exchange itself does not have
REGULAR: Final = "Regular"
#: columns of `COLUMNS` within an exchange row of twelve
KLINE_COLUMNS: Final = (0, 1, 2, 3, 4, 5, 7, 9)


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Filter(msgspec.Struct):
    filterType: str = ""  # noqa: N815
    tickSize: float | None = None  # noqa: N815


class _Symbol(msgspec.Struct):
    symbol: str
    status: str = ""
    contractType: str = ""  # noqa: N815
    underlyingType: str = ""  # noqa: N815
    quoteAsset: str = ""  # noqa: N815
    onboardDate: int = 0  # noqa: N815
    filters: list[_Filter] = []


class _RateLimit(msgspec.Struct):
    rateLimitType: str = ""  # noqa: N815
    interval: str = ""
    intervalNum: int = 1  # noqa: N815
    limit: int = 0


class _Simulated(msgspec.Struct, frozen=True):
    estimated: tuple[str, ...] = ()


class _ExchangeInfo(msgspec.Struct):
    symbols: msgspec.Raw
    rateLimits: list[_RateLimit] = []  # noqa: N815
    simulated: _Simulated = _Simulated()


class _Ticker(msgspec.Struct):
    symbol: str
    quoteVolume: float = 0.0  # noqa: N815
    lastPrice: float = 0.0  # noqa: N815


class _Price(msgspec.Struct):
    symbol: str
    price: float
    time: int = 0


class _Premium(msgspec.Struct):
    symbol: str
    markPrice: float  # noqa: N815
    indexPrice: float = 0.0  # noqa: N815
    lastFundingRate: str = ""  # noqa: N815
    nextFundingTime: int = 0  # noqa: N815
    time: int = 0


def funding_rate(text: str) -> float | None:
    """Return a rate as the exchange writes it; contracts with a delivery date have none."""
    try:
        return float(text)
    except ValueError:
        return None


class _FundingInfo(msgspec.Struct):
    symbol: str
    fundingIntervalHours: int  # noqa: N815


class _FundingRate(msgspec.Struct):
    symbol: str
    fundingTime: int  # noqa: N815
    fundingRate: float  # noqa: N815
    rateType: str = REGULAR  # noqa: N815


class _OpenInterest(msgspec.Struct):
    timestamp: int
    sumOpenInterest: float  # noqa: N815


class _Ratio(msgspec.Struct):
    timestamp: int
    longShortRatio: float  # noqa: N815


class _Book(msgspec.Struct):
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    T: int = 0
    E: int = 0


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815


_BANNED_UNTIL: Final = re.compile(rb"banned until (\d{13})\b")
_flat = msgspec.json.Decoder(list[float], strict=False)


_error, _info, _book, _time = (decoder(kind).decode for kind in (_Error, _ExchangeInfo, _Book, _Time))
_symbols, _tickers, _prices, _premiums = rows(_Symbol), rows(_Ticker), rows(_Price), rows(_Premium)
_funding_info, _funding, _interest, _ratios = rows(_FundingInfo), rows(_FundingRate), rows(_OpenInterest), rows(_Ratio)


def parse_klines(body: bytes) -> Floats:
    """Return a klines answer as a matrix of shape (8, n), rows as `COLUMNS`.

    The brackets within are dropped and the numbers read as one flat list: no object is made per
    row.  Raises `GarbledError` on anything but complete rows of numbers.
    """
    count = body.count(b"[") - 1
    if not body.startswith(b"[") or not body.rstrip().endswith(b"]") or body.count(b"]") != count + 1:
        raise GarbledError("klines are not a list of lists")
    try:
        flat = np.array(_flat.decode(b"[" + body.translate(None, b"[]") + b"]"))
    except UNREADABLE as error:
        raise GarbledError(f"klines: {error}") from error
    if flat.size != count * KLINE_FIELDS:
        raise GarbledError("klines with incomplete rows")
    table = flat.reshape(-1, KLINE_FIELDS)
    return np.ascontiguousarray(table[:, KLINE_COLUMNS].T) if count else np.empty((len(COLUMNS), 0))


def _decode(decode: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return decode(body)
    except UNREADABLE as error:
        raise GarbledError(str(error)) from error


def instrument(row: _Symbol, estimated: tuple[str, ...]) -> Instrument:
    """Return the instrument of an exchangeInfo row; unknown enum values make it not tradable."""
    unknown = ""
    if row.contractType not in KNOWN_TYPES:
        unknown = "contract type"
    elif row.status not in KNOWN_STATES:
        unknown = "status"
    elif row.underlyingType not in KNOWN_UNDERLYINGS:
        unknown = "underlying type"
    tick = next((part.tickSize or 0.0 for part in row.filters if part.filterType == "PRICE_FILTER"), 0.0)
    wanted = (row.status, row.contractType, row.underlyingType, row.quoteAsset)
    tradable = wanted == ("TRADING", PERPETUAL, "COIN", "USDT") and 0 < tick < np.inf
    return Instrument(row.symbol, tick, row.onboardDate, tradable, unknown, estimated)


def _points(stamped: list[tuple[int, float]]) -> tuple[Floats, Floats]:
    table = np.array(sorted(stamped), dtype=np.float64).reshape(-1, 2)
    table = table[np.isfinite(table).all(axis=1)]
    return table[:, 0], table[:, 1]


def error_code(body: bytes) -> int:
    """Return the code of an error's body, 0 where there is none."""
    try:
        return int(_error(body).code)
    except UNREADABLE:
        return 0


def banned_until(body: bytes) -> int:
    """Return the end of the ban in an error's text, ms; 0 where it names none."""
    found = _BANNED_UNTIL.search(body)
    return int(found[1]) if found else 0


def server_time(body: bytes) -> int:
    """Return the exchange's time, ms."""
    return int(_decode(_time, body).serverTime)


def contracts(body: bytes) -> tuple[dict[str, Instrument], int | None]:
    """Return all contracts by symbol, and the weight limit of a minute where the answer has it."""
    info: _ExchangeInfo = _decode(_info, body)
    minute = ("REQUEST_WEIGHT", "MINUTE", 1)
    limits = [one.limit for one in info.rateLimits if (one.rateLimitType, one.interval, one.intervalNum) == minute]
    found = {row.symbol: instrument(row, info.simulated.estimated) for row in _decode(_symbols, info.symbols)}
    return found, limits[-1] if limits else None


def is_simulated(body: bytes) -> bool:
    """Whether an exchangeInfo comes from the simulator, which says so."""
    return SIMULATED in body


def volumes(body: bytes) -> dict[str, float]:
    """Return the 24 h quote volume of every symbol, USDT."""
    return {row.symbol: row.quoteVolume for row in _decode(_tickers, body)}


def prices(body: bytes) -> tuple[int, dict[str, float]]:
    """Return the newest stamp and the last price of every symbol that has one."""
    found: list[_Price] = _decode(_prices, body)
    return max((row.time for row in found), default=0), {
        row.symbol: row.price for row in found if 0 < row.price < np.inf
    }


def book(body: bytes, *, estimated: bool) -> Depth:
    """Return the levels of a book."""
    found: _Book = _decode(_book, body)
    bids, asks = np.array(found.bids), np.array(found.asks)
    if not found.bids or not found.asks or not (np.isfinite(bids).all() and np.isfinite(asks).all()):
        raise GarbledError("an empty or infinite book")
    return Depth(at=found.T or found.E, bids=pack(bids), asks=pack(asks), estimated=estimated)


def mark_prices(body: bytes) -> dict[str, MarkPrice]:
    """Return mark price, index price and running funding rate of every symbol."""
    return {
        row.symbol: MarkPrice(
            row.time, row.markPrice, row.indexPrice, funding_rate(row.lastFundingRate), row.nextFundingTime
        )
        for row in _decode(_premiums, body)
    }


def funding_intervals(body: bytes) -> dict[str, int]:
    """Return the hours of those symbols that are listed."""
    return {row.symbol: row.fundingIntervalHours for row in _decode(_funding_info, body)}


def funding_rates(body: bytes) -> tuple[Floats, Floats]:
    """Return stamps and rates of the regular settlements; others, such as corrections, are no interval's rate."""
    return _points([(row.fundingTime, row.fundingRate) for row in _decode(_funding, body) if row.rateType == REGULAR])


def open_interest(body: bytes) -> tuple[Floats, Floats]:
    """Return stamps and open interest in coins."""
    return _points([(row.timestamp, row.sumOpenInterest) for row in _decode(_interest, body)])


def ratios(body: bytes) -> tuple[Floats, Floats]:
    """Return stamps and long/short ratios."""
    return _points([(row.timestamp, row.longShortRatio) for row in _decode(_ratios, body)])
