"""The exchange's REST: requests under the ledger, its errors as exceptions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Final

import aiohttp
import structlog

from services.fetcher.binance import answers
from services.fetcher.binance.answers import Premium
from services.fetcher.binance.errors import RefusedError, UnavailableError, UnknownSymbolError
from services.fetcher.budget import Ledger, Pool
from services.fetcher.clock import ExchangeClock
from services.fetcher.universe import Instrument
from shared import metrics
from shared.contracts import INTERVALS, Depth, Floats, Interval

TRIES: Final = 4
BACKOFF_S: Final = 0.25
FIREWALL_S: Final = 300.0  #: silence after 403
REGION_S: Final = 900.0  #: silence after 451
DEFAULT_BAN_S: Final = 120.0
#: requests of each pool that may be under way, or wait for their budget: an empty pool blocks no other
CONCURRENCY: Final[dict[Pool, int]] = {"weight": 20, "data": 20, "funding": 2}
TOO_MANY: Final = -1003
INTERNAL: Final = frozenset({-1001, -1007})  #: the exchange's own trouble, whatever the status: asked again
CHEAPEST: Final = 99  #: bars that cost a weight of 1

log = structlog.get_logger()


class BinanceRest:
    """What the fetcher asks of USD-M Futures."""

    def __init__(self, url: str, ledger: Ledger, clock: ExchangeClock) -> None:
        self._url = url.rstrip("/")
        self.ledger = ledger
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._slots = {pool: asyncio.Semaphore(most) for pool, most in CONCURRENCY.items()}
        self._haste = max(1.0, clock.speed)  #: a silence that nobody timed is as long on the exchange's clock

    async def open(self) -> None:
        """Open the connections' pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=sum(CONCURRENCY.values()), ttl_dns_cache=300),
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
            async with self._slots[pool]:
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
            return str(error) or type(error).__name__
        metrics.FEED_REQUESTS.labels(path, str(response.status)).inc()
        used = response.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdecimal():
            await self.ledger.learn(int(used))
        status = response.status
        if status == 200 and body[:1] in {b"[", b"{"}:
            self.ledger.answered()
            if not body.startswith(b'{"code":') or answers.error_code(body) >= 0:
                return body
            status = 400  # errors have come with status 200 too
        return await self._failed(status, response.headers.get("Retry-After", ""), body)

    async def _failed(self, status: int, retry_after: str, body: bytes) -> str:
        """Obey what an error asks for; return why to try again, or raise where that would not help."""
        seconds = float(retry_after) if retry_after.replace(".", "", 1).isdecimal() else None
        code = answers.error_code(body)
        if status == 418:
            await self.ledger.block("banned", max(seconds or DEFAULT_BAN_S, self._until(answers.banned_until(body))))
        elif status == 429 or code == TOO_MANY:
            self.ledger.pause(seconds)
        elif status == 451:
            await self.ledger.block("region not served", REGION_S / self._haste)
        elif status == 403:
            await self.ledger.block("firewall", FIREWALL_S / self._haste)
        elif status == 400 and code not in INTERNAL:
            raise (UnknownSymbolError if code in {-1121, -1122} else RefusedError)(body[:200].decode(errors="replace"))
        return f"status {status}, code {code}"

    def _until(self, moment: int) -> float:
        """Return the seconds of wall time until *moment*, 0 where it has passed or the time is not known yet."""
        return self._clock.wall_seconds(moment - self._clock.now()) if self._clock.known and self._clock.speed else 0.0

    async def server_time(self) -> int:
        """Return the exchange's time, ms."""
        return answers.server_time(await self.get("/fapi/v1/time", {}, weight=1))

    async def instruments(self) -> dict[str, Instrument]:
        """Return all contracts by symbol; learn the real limits on the way."""
        found, limit = answers.contracts(await self.get("/fapi/v1/exchangeInfo", {}, weight=1))
        if limit is not None:
            self.ledger.limits["weight"] = limit
        return found

    async def volumes(self) -> dict[str, float]:
        """Return the 24 h quote volume of every symbol, USDT."""
        return answers.volumes(await self.get("/fapi/v1/ticker/24hr", {}, weight=40))

    async def prices(self) -> tuple[int, dict[str, float]]:
        """Return the newest stamp and the last price of every symbol."""
        return answers.prices(await self.get("/fapi/v1/ticker/price", {}, weight=2))

    async def klines(self, symbol: str, interval: Interval, *, limit: int, end_time: int | None = None) -> Floats:
        """Return the newest *limit* bars that had closed at *end_time*, shape (8, n)."""
        query: dict[str, str | int] = {"symbol": symbol, "interval": interval, "limit": limit}
        moment = end_time if end_time is not None else self._clock.now()
        length = INTERVALS[interval]
        query["endTime"] = moment - moment % length - 1  # by open time: the open candle is not asked for
        weight = 1 if limit <= CHEAPEST else 2 if limit < 500 else 5
        bars = answers.parse_klines(await self.get("/fapi/v1/klines", query, weight=weight))
        return bars[:, bars[0] + length <= moment]

    async def depth(self, symbol: str, *, estimated: bool = False) -> Depth:
        """Return the first 20 levels of the book."""
        query: dict[str, str | int] = {"symbol": symbol, "limit": 20}
        return answers.book(await self.get("/fapi/v1/depth", query, weight=2), estimated=estimated)

    async def premiums(self) -> list[Premium]:
        """Return mark price and funding of every symbol."""
        return answers.premiums(await self.get("/fapi/v1/premiumIndex", {}, weight=10))

    async def funding_intervals(self) -> dict[str, int]:
        """Return the hours of those symbols that the exchange lists."""
        return answers.funding_intervals(await self.get("/fapi/v1/fundingInfo", {}, weight=1, pool="funding"))

    async def funding_rates(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and rates of the last settlements."""
        query: dict[str, str | int] = {"symbol": symbol, "limit": limit}
        return answers.funding_rates(await self.get("/fapi/v1/fundingRate", query, weight=1, pool="funding"))

    async def open_interest(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and open interest in coins, 5m points."""
        return answers.open_interest(await self._data("openInterestHist", symbol, limit))

    async def global_ratio(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and long/short accounts of all traders."""
        return answers.ratios(await self._data("globalLongShortAccountRatio", symbol, limit))

    async def top_ratio(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and long/short accounts of the top traders."""
        return answers.ratios(await self._data("topLongShortAccountRatio", symbol, limit))

    async def _data(self, name: str, symbol: str, limit: int) -> bytes:
        query: dict[str, str | int] = {"symbol": symbol, "period": "5m", "limit": limit}
        return await self.get(f"/futures/data/{name}", query, weight=1, pool="data")
