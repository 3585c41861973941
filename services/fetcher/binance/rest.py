"""The exchange's REST: requests under the ledger, its errors as exceptions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import aiohttp
import structlog

from services.fetcher.binance import rest_messages as answers
from services.fetcher.binance.period_stamps import PeriodStamps
from services.fetcher.binance.slots import Slots
from services.fetcher.binance.weight_ledger import Pool, WeightLedger
from services.fetcher.domain.derivatives import MarkPrice
from services.fetcher.domain.instruments import Instrument
from services.fetcher.exchange import (
    Capabilities,
    Points,
    RefusedError,
    RetiredError,
    UnavailableError,
    UnknownSymbolError,
)
from services.fetcher.feed.clock import ExchangeClock
from shared import metrics
from shared.contracts import INTERVALS, Depth, Floats, Interval
from shared.network.authorities import trusted
from shared.network.proxies import proxy_for

TRIES: Final = 4
TIMEOUT_S: Final = 10.0
BACKOFF_S: Final = 0.25
FIREWALL_S: Final = 300.0  #: without a request after 403
CHALLENGE_S: Final = 60.0  #: after 202, a firewall's question to a browser
GONE: Final = frozenset({401, 404, 410})  #: an endpoint that is retired, or asks for a key
NEEDS_KEY: Final = -5000
RETIRED_S: Final = 300.0  #: between two tries of such an endpoint
PRICES: Final = "/fapi/v1/ticker/price"  #: deprecated since 2026-07-14
PRICES_V2: Final = "/fapi/v2/ticker/price"
UNRELIABLE_WEIGHT: Final = frozenset({PRICES_V2})  #: whose header does not count what the others count
REGION_S: Final = 900.0  #: after 451
DEFAULT_BAN_S: Final = 120.0
#: requests of each pool that may be under way, or wait for their budget: an empty pool blocks no other
CONCURRENCY: Final[dict[Pool, int]] = {"weight": 20, "data": 20, "funding": 2}
TOO_MANY: Final = -1003
INTERNAL: Final = frozenset({-1001, -1007})  #: the exchange's own failures, with any status: tried again
CAPABILITIES: Final = Capabilities(
    name="Binance",
    bitcoin="BTCUSDT",
    longest_request=499,  # a weight of 2; more would cost 5
    cheap_request=99,  # a weight of 1
    region_advice="SEVENGATE_BINANCE_REST_URL and _WS_URL name a mirror of yours.",
)

log = structlog.get_logger()


class BinanceRest:
    """USD-M Futures' requests: an `Exchange`."""

    capabilities = CAPABILITIES

    def __init__(self, url: str, ledger: WeightLedger, clock: ExchangeClock) -> None:
        self._url = url.rstrip("/")
        self._proxy = proxy_for(url)
        self.budget = ledger
        self._stamps = PeriodStamps()
        self.source = ""
        self._books_estimated = False  #: by the simulator's replay
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._slots = {pool: Slots(most) for pool, most in CONCURRENCY.items()}
        self._haste = max(1.0, clock.speed)  #: pauses that the exchange did not time run on its clock

    async def open(self) -> None:
        """Open the connections' pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=sum(CONCURRENCY.values()), ttl_dns_cache=300, ssl=trusted()),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def remarks(self) -> Sequence[str]:
        """Which requests are retired, and how `/futures/data/*` is stamped."""
        gone = [f"{path} is no longer served ({reason})" for path, reason in self.budget.retired.items()]
        return (*gone, self._stamps.remark)

    def slots(self, pool: Pool) -> Slots:
        """Return how many requests of *pool* may be under way."""
        return self._slots[pool]

    async def get(self, path: str, query: Mapping[str, str | int], *, weight: int, pool: Pool = "weight") -> bytes:
        """Return the answer's body.

        Raises `BlockedError` while the exchange refuses this address, `RefusedError` or one of its kinds where
        asking again would not help, `UnavailableError` after several tries.
        """
        if reason := self.budget.known_retired(path):
            raise RetiredError(f"{path} is no longer served: {reason}")
        failure = "no answer"
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(BACKOFF_S * 2**attempt * random.uniform(0.5, 1.5))
            async with self._slots[pool].slot():
                await self.budget.spend(weight, pool)
                answer = await self._ask(path, query, self._slots[pool])
            if isinstance(answer, bytes):
                return answer
            failure = answer
        raise UnavailableError(f"{path}: {failure}")

    async def _ask(self, path: str, query: Mapping[str, str | int], slots: Slots) -> bytes | str:
        """Return the body, or the error after which to try again."""
        assert self._session is not None, "open() comes first"  # noqa: S101
        try:
            async with self._session.get(self._url + path, params=query, proxy=self._proxy) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.FEED_REQUESTS.labels(path, "broken").inc()
            if isinstance(error, TimeoutError):
                slots.timed_out()
            return str(error) or type(error).__name__
        metrics.FEED_REQUESTS.labels(path, str(response.status)).inc()
        used = response.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdecimal() and path not in UNRELIABLE_WEIGHT:
            await self.budget.learn(int(used))
        slots.answered()
        status = response.status
        if status == 200 and body[:1] in {b"[", b"{"}:
            self.budget.answered()
            if not body.startswith(b'{"code":') or answers.error_code(body) >= 0:
                self.budget.served(path)
                return body
            status = 400  # errors have come with status 200 too
        return await self._failed(path, status, response.headers.get("Retry-After", ""), body)

    async def _failed(self, path: str, status: int, retry_after: str, body: bytes) -> str:
        """Apply an error's pause or ban; return it where trying again may help, else raise."""
        seconds = float(retry_after) if retry_after.replace(".", "", 1).isdecimal() else None
        code = answers.error_code(body)
        if status == 418:
            await self.budget.block("banned", max(seconds or DEFAULT_BAN_S, self._until(answers.banned_until(body))))
        elif status == 429 or code == TOO_MANY:
            self.budget.pause(seconds)
        elif status == 451:
            await self.budget.block("region not served", REGION_S / self._haste)
        elif status == 403:
            await self.budget.block("firewall", FIREWALL_S / self._haste)
        elif status == 202:
            await self.budget.block("challenge", CHALLENGE_S / self._haste)
        elif status in GONE or code == NEEDS_KEY:
            reason = f"status {status}, code {code}" if code else f"status {status}"
            self.budget.retire(path, reason, RETIRED_S / self._haste)
            raise RetiredError(f"{path} is no longer served: {reason}")
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
        body = await self.get("/fapi/v1/exchangeInfo", {}, weight=1)
        found, limit = answers.contracts(body)
        if limit is not None:
            self.budget.limits["weight"] = limit
        self.source = "simulator" if answers.is_simulated(body) else ""
        self._books_estimated = any("depth" in one.estimated for one in found.values())
        return found

    async def volumes(self) -> dict[str, float]:
        """Return the 24 h quote volume of every symbol, USDT."""
        return answers.volumes(await self.get("/fapi/v1/ticker/24hr", {}, weight=40))

    async def prices(self) -> tuple[int, dict[str, float]]:
        """Return the newest stamp and the last price of every symbol; from v2 where v1 is retired."""
        try:
            body = await self.get(PRICES, {}, weight=2)
        except RetiredError:
            body = await self.get(PRICES_V2, {}, weight=2)
        return answers.prices(body)

    async def bars(self, symbol: str, interval: Interval, *, limit: int, end_time: int) -> Floats:
        """Return the newest *limit* bars that had closed at *end_time*, shape (8, n)."""
        query: dict[str, str | int] = {"symbol": symbol, "interval": interval, "limit": limit}
        length = INTERVALS[interval]
        query["endTime"] = end_time - end_time % length - 1  # by open time: the open candle is not asked for
        weight = 1 if limit <= CAPABILITIES.cheap_request else 2 if limit < 500 else 5 if limit <= 1_000 else 10
        bars = answers.parse_klines(await self.get("/fapi/v1/klines", query, weight=weight))
        return bars[:, bars[0] + length <= end_time]

    async def book(self, symbol: str) -> Depth:
        """Return the first 20 levels of the book."""
        query: dict[str, str | int] = {"symbol": symbol, "limit": 20}
        return answers.book(await self.get("/fapi/v1/depth", query, weight=2), estimated=self._books_estimated)

    async def mark_prices(self) -> dict[str, MarkPrice]:
        """Return mark price, index price and running funding rate of every symbol."""
        return answers.mark_prices(await self.get("/fapi/v1/premiumIndex", {}, weight=10))

    async def funding_intervals(self) -> dict[str, int]:
        """Return the hours of those symbols that the exchange lists."""
        return answers.funding_intervals(await self.get("/fapi/v1/fundingInfo", {}, weight=1, pool="funding"))

    async def settled_funding(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and rates of the last settlements."""
        query: dict[str, str | int] = {"symbol": symbol, "limit": limit}
        return answers.funding_rates(await self.get("/fapi/v1/fundingRate", query, weight=1, pool="funding"))

    async def open_interest(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and open interest in coins, 5m points."""
        return await self._points(answers.open_interest, "openInterestHist", symbol, limit)

    async def global_ratio(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and long/short accounts of all traders."""
        return await self._points(answers.ratios, "globalLongShortAccountRatio", symbol, limit)

    async def top_ratio(self, symbol: str, *, limit: int) -> tuple[Floats, Floats]:
        """Return stamps and long/short accounts of the top traders."""
        return await self._points(answers.ratios, "topLongShortAccountRatio", symbol, limit)

    async def _points(self, read: Callable[[bytes], Points], name: str, symbol: str, limit: int) -> Points:
        query: dict[str, str | int] = {"symbol": symbol, "period": "5m", "limit": limit}
        body = await self.get(f"/futures/data/{name}", query, weight=1, pool="data")
        return self._stamps.normalised(read(body), self._clock.now())
