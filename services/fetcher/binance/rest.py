"""The exchange's REST: requests under the ledger, its errors as exceptions, its answers as arrays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec
import numpy as np
import structlog

from services.fetcher.budget import Ledger, Pool
from services.fetcher.clock import ExchangeClock
from services.fetcher.universe import KNOWN_STATES, KNOWN_TYPES, PERPETUAL, Instrument
from shared import metrics
from shared.contracts import COLUMNS, INTERVALS, Depth, Floats, Interval, pack

TRIES: Final = 4
BACKOFF_S: Final = 0.25
FIREWALL_S: Final = 300.0  #: silence after 403
REGION_S: Final = 900.0  #: silence after 451
DEFAULT_BAN_S: Final = 120.0
CONCURRENCY: Final = 20
KLINE_FIELDS: Final = 12
CHEAPEST: Final = 99  #: bars that cost a weight of 1
#: columns of `COLUMNS` within an exchange row of twelve
KLINE_COLUMNS: Final = (0, 1, 2, 3, 4, 5, 7, 9)

log = structlog.get_logger()


class FeedError(Exception):
    """The exchange did not give what was asked for."""


class UnavailableError(FeedError):
    """No answer after several tries."""


class RefusedError(FeedError):
    """HTTP 400: asking again would not help."""


class UnknownSymbolError(RefusedError):
    """The exchange does not know the symbol (any more)."""


class GarbledError(FeedError):
    """The answer is not what its endpoint promises."""


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


class BinanceRest:
    """What the fetcher asks of USD-M Futures."""

    def __init__(self, url: str, ledger: Ledger, clock: ExchangeClock) -> None:
        self._url = url.rstrip("/")
        self.ledger = ledger
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._haste = max(1.0, clock.speed)  #: a silence that nobody timed is as long on the exchange's clock

    async def open(self) -> None:
        """Open the connections' pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONCURRENCY, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=10.0),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, query: Mapping[str, str | int], *, weight: int, pool: Pool = "weight") -> bytes:
        """Return the answer's body.

        Raises `BlockedError` while the exchange refuses this address, `RefusedError` or `UnknownSymbolError` where
        the request itself is wrong, `UnavailableError` after several tries.
        """
        failure = "no answer"
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(BACKOFF_S * 2**attempt * random.uniform(0.5, 1.5))
            async with self._slots:
                await self.ledger.spend(weight, pool)
                answer = await self._ask(path, query)
            if isinstance(answer, bytes):
                return answer
            failure = answer
        raise UnavailableError(f"{path}: {failure}")

    async def _ask(self, path: str, query: Mapping[str, str | int]) -> bytes | str:
        """Return the body, or why to try again."""
        assert self._session is not None, "open() comes first"  # noqa: S101
        try:
            async with self._session.get(self._url + path, params=query) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.FEED_REQUESTS.labels(path, "broken").inc()
            return type(error).__name__
        metrics.FEED_REQUESTS.labels(path, str(response.status)).inc()
        used = response.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdecimal():
            await self.ledger.learn(int(used))
        if response.status == 200 and body[:1] in {b"[", b"{"}:
            self.ledger.answered()
            return await self._unless_error(body)
        return await self._failed(response.status, response.headers.get("Retry-After", ""), body)

    async def _unless_error(self, body: bytes) -> bytes | str:
        """Errors have come with status 200 too."""
        if body.startswith(b'{"code":') and (error := _decode(_error, body)).code < 0:
            return await self._failed(400, "", body) if error.code not in {-1001, -1003} else f"code {error.code}"
        return body

    async def _failed(self, status: int, retry_after: str, body: bytes) -> str:
        seconds = float(retry_after) if retry_after.replace(".", "", 1).isdecimal() else None
        code = _code(body)
        if status == 418:
            await self.ledger.block("banned", seconds or DEFAULT_BAN_S)
        elif status == 429 or code == -1003:
            self.ledger.pause(seconds)
        elif status == 451:
            await self.ledger.block("region not served", REGION_S / self._haste)
        elif status == 403:
            await self.ledger.block("firewall", FIREWALL_S / self._haste)
        elif status == 400:
            raise (UnknownSymbolError if code in {-1121, -1122} else RefusedError)(body[:200].decode(errors="replace"))
        return f"status {status}, code {code}"

    async def server_time(self) -> int:
        """Return the exchange's time, ms."""
        return int(_decode(_time, await self.get("/fapi/v1/time", {}, weight=1)).serverTime)

    async def instruments(self) -> dict[str, Instrument]:
        """Return all contracts by symbol; learn the real limits on the way."""
        info: _ExchangeInfo = _decode(_info, await self.get("/fapi/v1/exchangeInfo", {}, weight=1))
        for limit in info.rateLimits:
            if (limit.rateLimitType, limit.interval, limit.intervalNum) == ("REQUEST_WEIGHT", "MINUTE", 1):
                self.ledger.limits["weight"] = limit.limit
        return {row.symbol: instrument(row, info.simulated.estimated) for row in info.symbols}

    async def volumes(self) -> dict[str, float]:
        """Return the 24 h quote volume of every symbol, USDT."""
        rows: list[_Ticker] = _decode(_tickers, await self.get("/fapi/v1/ticker/24hr", {}, weight=40))
        return {row.symbol: row.quoteVolume for row in rows}

    async def prices(self) -> tuple[int, dict[str, float]]:
        """Return the newest stamp and the last price of every symbol."""
        rows: list[_Price] = _decode(_prices, await self.get("/fapi/v1/ticker/price", {}, weight=2))
        return max((row.time for row in rows), default=0), {row.symbol: row.price for row in rows}

    async def klines(self, symbol: str, interval: Interval, *, limit: int, end_time: int | None = None) -> Floats:
        """Return the newest *limit* bars that had closed at *end_time*, shape (8, n)."""
        query: dict[str, str | int] = {"symbol": symbol, "interval": interval, "limit": limit}
        moment = end_time if end_time is not None else self._clock.now()
        length = INTERVALS[interval]
        query["endTime"] = moment - moment % length - 1  # by open time: the open candle is not asked for
        weight = 1 if limit <= CHEAPEST else 2 if limit < 500 else 5
        bars = parse_klines(await self.get("/fapi/v1/klines", query, weight=weight))
        return bars[:, bars[0] + length <= moment]

    async def depth(self, symbol: str, *, estimated: bool = False) -> Depth:
        """Return the first 20 levels of the book."""
        book: _Book = _decode(_book, await self.get("/fapi/v1/depth", {"symbol": symbol, "limit": 20}, weight=2))
        bids, asks = np.array(book.bids), np.array(book.asks)
        if not book.bids or not book.asks or not (np.isfinite(bids).all() and np.isfinite(asks).all()):
            raise GarbledError("an empty or infinite book")
        return Depth(at=book.T or book.E, bids=pack(bids), asks=pack(asks), estimated=estimated)

    async def premiums(self) -> list[Premium]:
        """Return mark price and funding of every symbol."""
        rows: list[Premium] = _decode(_premiums, await self.get("/fapi/v1/premiumIndex", {}, weight=10))
        return rows

    async def funding_intervals(self) -> dict[str, int]:
        """Return the hours of those symbols that the exchange lists."""
        rows = _decode(_funding_info, await self.get("/fapi/v1/fundingInfo", {}, weight=1, pool="funding"))
        return {row.symbol: row.fundingIntervalHours for row in rows}

    async def funding_rates(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and rates of the last settlements."""
        query: dict[str, str | int] = {"symbol": symbol, "limit": limit}
        rows = _decode(_funding, await self.get("/fapi/v1/fundingRate", query, weight=1, pool="funding"))
        return _points([(row.fundingTime, row.fundingRate) for row in rows])

    async def open_interest(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and open interest in coins, 5m points."""
        rows = _decode(_interest, await self._data("openInterestHist", symbol, limit))
        return _points([(row.timestamp, row.sumOpenInterest) for row in rows])

    async def global_ratio(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and long/short accounts of all traders."""
        rows = _decode(_ratios, await self._data("globalLongShortAccountRatio", symbol, limit))
        return _points([(row.timestamp, row.longShortRatio) for row in rows])

    async def top_ratio(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and long/short accounts of the top traders."""
        rows = _decode(_ratios, await self._data("topLongShortAccountRatio", symbol, limit))
        return _points([(row.timestamp, row.longShortRatio) for row in rows])

    async def _data(self, name: str, symbol: str, limit: int) -> bytes:
        query: dict[str, str | int] = {"symbol": symbol, "period": "5m", "limit": limit}
        return await self.get(f"/futures/data/{name}", query, weight=1, pool="data")


def _points(rows: list[tuple[int, float]]) -> tuple[Floats, Floats]:
    table = np.array(sorted(rows), dtype=np.float64).reshape(-1, 2)
    table = table[np.isfinite(table).all(axis=1)]
    return table[:, 0], table[:, 1]


def _code(body: bytes) -> int:
    try:
        return int(_error.decode(body).code)
    except msgspec.DecodeError:
        return 0
