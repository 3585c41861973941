"""The exchange's answers: bytes in, arrays and values out; anything else raises `GarbledError`."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from services.fetcher.binance.errors import GarbledError
from services.fetcher.universe import KNOWN_STATES, KNOWN_TYPES, PERPETUAL, Instrument
from shared.contracts import COLUMNS, Depth, Floats, pack

KLINE_FIELDS: Final = 12
#: columns of `COLUMNS` within an exchange row of twelve
KLINE_COLUMNS: Final = (0, 1, 2, 3, 4, 5, 7, 9)


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Filter(msgspec.Struct):
    filterType: str = ""  # noqa: N815
    tickSize: str = ""  # noqa: N815


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
    symbols: list[_Symbol]
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


class Premium(msgspec.Struct):
    """Mark and index price and the running funding rate of one symbol."""

    symbol: str
    markPrice: float  # noqa: N815
    indexPrice: float = 0.0  # noqa: N815
    lastFundingRate: str = ""  # noqa: N815
    nextFundingTime: int = 0  # noqa: N815
    time: int = 0

    @property
    def rate(self) -> float | None:
        """The running rate; contracts with a delivery date have none."""
        return float(self.lastFundingRate) if self.lastFundingRate else None


class _FundingInfo(msgspec.Struct):
    symbol: str
    fundingIntervalHours: int  # noqa: N815


class _FundingRate(msgspec.Struct):
    symbol: str
    fundingTime: int  # noqa: N815
    fundingRate: float  # noqa: N815


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


_flat = msgspec.json.Decoder(list[float], strict=False)


def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)


_error, _info, _tickers = decoder(_Error), decoder(_ExchangeInfo), decoder(list[_Ticker])
_prices, _premiums, _funding_info = decoder(list[_Price]), decoder(list[Premium]), decoder(list[_FundingInfo])
_funding, _interest, _ratios = decoder(list[_FundingRate]), decoder(list[_OpenInterest]), decoder(list[_Ratio])
_book, _time = decoder(_Book), decoder(_Time)


def parse_klines(body: bytes) -> Floats:
    """Return a klines answer as a matrix of shape (8, n), rows as `COLUMNS`.

    The brackets within are dropped and the numbers read as one flat list: no object is made per
    row.  Raises `GarbledError` on anything but complete rows of numbers.
    """
    if not body.startswith(b"[") or not body.rstrip().endswith((b"]]", b"[]")):
        raise GarbledError("klines are not a list of lists")
    try:
        flat = np.array(_flat.decode(b"[" + body.translate(None, b"[]") + b"]"))
    except msgspec.DecodeError as error:
        raise GarbledError(f"klines: {error}") from error
    if flat.size % KLINE_FIELDS:
        raise GarbledError("klines with incomplete rows")
    rows = flat.reshape(-1, KLINE_FIELDS)
    return np.ascontiguousarray(rows[:, KLINE_COLUMNS].T) if flat.size else np.empty((len(COLUMNS), 0))


def _decode(kind: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return kind.decode(body)
    except msgspec.DecodeError as error:
        raise GarbledError(str(error)) from error


def instrument(row: _Symbol, estimated: tuple[str, ...]) -> Instrument:
    """Return what is wanted of an exchangeInfo row; unknown enum values make it not tradable."""
    unknown = ""
    if row.contractType not in KNOWN_TYPES:
        unknown = "contract type"
    elif row.status not in KNOWN_STATES:
        unknown = "status"
    ticks = [part.tickSize for part in row.filters if part.filterType == "PRICE_FILTER"]
    tick = float(ticks[0]) if ticks and ticks[0] else 0.0
    wanted = (row.status, row.contractType, row.underlyingType, row.quoteAsset)
    tradable = wanted == ("TRADING", PERPETUAL, "COIN", "USDT") and tick > 0
    return Instrument(row.symbol, tick, row.onboardDate, tradable, unknown, estimated)


def _points(rows: list[tuple[int, float]]) -> tuple[Floats, Floats]:
    table = np.array(sorted(rows), dtype=np.float64).reshape(-1, 2)
    table = table[np.isfinite(table).all(axis=1)]
    return table[:, 0], table[:, 1]


def error_code(body: bytes) -> int:
    """Return the code of an error's body, 0 where there is none."""
    try:
        return int(_error.decode(body).code)
    except msgspec.DecodeError:
        return 0


def server_time(body: bytes) -> int:
    """Return the exchange's time, ms."""
    return int(_decode(_time, body).serverTime)


def contracts(body: bytes) -> tuple[dict[str, Instrument], int | None]:
    """Return all contracts by symbol, and the weight that a minute may have where that is told."""
    info: _ExchangeInfo = _decode(_info, body)
    minute = ("REQUEST_WEIGHT", "MINUTE", 1)
    limits = [one.limit for one in info.rateLimits if (one.rateLimitType, one.interval, one.intervalNum) == minute]
    found = {row.symbol: instrument(row, info.simulated.estimated) for row in info.symbols}
    return found, limits[-1] if limits else None


def volumes(body: bytes) -> dict[str, float]:
    """Return the 24 h quote volume of every symbol, USDT."""
    rows: list[_Ticker] = _decode(_tickers, body)
    return {row.symbol: row.quoteVolume for row in rows}


def prices(body: bytes) -> tuple[int, dict[str, float]]:
    """Return the newest stamp and the last price of every symbol."""
    rows: list[_Price] = _decode(_prices, body)
    return max((row.time for row in rows), default=0), {row.symbol: row.price for row in rows}


def book(body: bytes, *, estimated: bool) -> Depth:
    """Return the levels of a book."""
    found: _Book = _decode(_book, body)
    bids, asks = np.array(found.bids), np.array(found.asks)
    if not found.bids or not found.asks or not (np.isfinite(bids).all() and np.isfinite(asks).all()):
        raise GarbledError("an empty or infinite book")
    return Depth(at=found.T or found.E, bids=pack(bids), asks=pack(asks), estimated=estimated)


def premiums(body: bytes) -> list[Premium]:
    """Return mark price and funding of every symbol."""
    rows: list[Premium] = _decode(_premiums, body)
    return rows


def funding_intervals(body: bytes) -> dict[str, int]:
    """Return the hours of those symbols that are listed."""
    return {row.symbol: row.fundingIntervalHours for row in _decode(_funding_info, body)}


def funding_rates(body: bytes) -> tuple[Floats, Floats]:
    """Return stamps and rates of settlements."""
    return _points([(row.fundingTime, row.fundingRate) for row in _decode(_funding, body)])


def open_interest(body: bytes) -> tuple[Floats, Floats]:
    """Return stamps and open interest in coins."""
    return _points([(row.timestamp, row.sumOpenInterest) for row in _decode(_interest, body)])


def ratios(body: bytes) -> tuple[Floats, Floats]:
    """Return stamps and long/short ratios."""
    return _points([(row.timestamp, row.longShortRatio) for row in _decode(_ratios, body)])
