"""The REST endpoints: a path and a query in, a JSON text or an error out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from services.simulator import wire
from services.simulator.contracts import BAR_MS, Contract
from services.simulator.exchange import Exchange
from services.simulator.limits import WEIGHT_LIMIT
from services.simulator.tape import INTERVAL_MS, TAKER, VOLUME, Floats

Query = Mapping[str, str]
PERIODS: Final = {
    "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000, "4h": 14_400_000,
    "6h": 21_600_000, "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip
_LABELS: Final = ((25, "Extreme Fear"), (46, "Fear"), (54, "Neutral"), (75, "Greed"), (101, "Extreme Greed"))


class RefusedRequestError(Exception):
    """An error body of the exchange."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.body = status, wire.dumps({"code": code, "msg": message})


def malformed(parameter: str) -> RefusedRequestError:
    return RefusedRequestError(
        400, -1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."
    )


class RestEndpoints:
    """Every endpoint that a reader of public market data uses."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.depth_served = 0
        self.depth_asked: set[str] = set()  #: symbols, until the lockstep empties it
        self.routes: dict[str, Callable[[Query], str]] = {
            "/fapi/v1/ping": lambda _: "{}",
            "/fapi/v1/time": self.time,
            "/fapi/v1/exchangeInfo": self.exchange_info,
            "/fapi/v1/klines": self.klines,
            "/fapi/v1/depth": self.depth,
            "/fapi/v1/ticker/24hr": self.ticker_24h,
            "/fapi/v1/ticker/price": self.ticker_price,
            "/fapi/v2/ticker/price": self.ticker_price,
            "/fapi/v1/premiumIndex": self.premium_index,
            "/fapi/v1/openInterest": self.open_interest,
            "/fapi/v1/fundingRate": self.funding_rate,
            "/fapi/v1/fundingInfo": self.funding_info,
            "/futures/data/openInterestHist": self.open_interest_history,
            "/futures/data/globalLongShortAccountRatio": lambda query: self.ratio(query, 1),
            "/futures/data/topLongShortAccountRatio": lambda query: self.ratio(query, 2),
            "/futures/data/topLongShortPositionRatio": lambda query: self.ratio(query, 3),
            "/futures/data/takerlongshortRatio": self.taker_ratio,
            "/fng/": self.fear_and_greed,
        }

    # parameters

    def _contract(self, query: Query) -> Contract:
        symbol = query.get("symbol")
        if not symbol:
            raise malformed("symbol")
        contract = self.exchange.contract(symbol)
        if contract is None:
            raise RefusedRequestError(400, -1121, "Invalid symbol.")
        return contract

    def _contracts(self, query: Query) -> list[Contract]:
        return [self._contract(query)] if "symbol" in query else self.exchange.all_contracts()

    def _integer(self, query: Query, name: str, default: int, most: int | None = None) -> int:
        text = query.get(name)
        if text is None:
            return default
        if not text.isdecimal():
            raise RefusedRequestError(
                400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            )
        if most is not None and not 0 < int(text) <= most:
            raise RefusedRequestError(400, -1130, f"Data sent for parameter '{name}' is not valid.")
        return int(text)

    # market

    def time(self, _: Query) -> str:
        faults = self.exchange.faults
        if faults.get("time-unavailable"):
            raise RefusedRequestError(503, -1001, "Internal error; unable to process your request. Please try again.")
        return wire.dumps({"serverTime": self.exchange.now() + (90_000 if faults.get("clock-skew") else 0)})

    def exchange_info(self, _: Query) -> str:
        exchange = self.exchange
        unknown = exchange.faults.get("unknown-enum") is not None
        answer: dict[str, Any] = {
            "timezone": "UTC",
            "serverTime": exchange.now(),
            "futuresType": "U_MARGINED",
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_LIMIT},
                {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
            ],
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [
                wire.symbol_information(contract, unknown_filter=unknown) for contract in exchange.all_contracts()
            ],
            # not of the exchange: what a reader has to mark as made by a rule
            "simulated": {"estimated": list(exchange.source.estimated), "replay": exchange.source.end is not None},
        }
        return wire.dumps(answer)

    def klines(self, query: Query) -> str:
        contract = self._contract(query)
        interval = query.get("interval") or ""
        if not interval:
            raise malformed("interval")
        if interval not in INTERVAL_MS:
            raise RefusedRequestError(400, -1120, "Invalid interval.")
        limit = self._integer(query, "limit", 500, 1_500)
        now, length = self.exchange.seen(), INTERVAL_MS[interval]
        oldest = max(self.exchange.tape.first_kept(interval), -(-contract.onboard // length))
        newest = self.exchange.newest_bar(contract, interval)
        end = min(self._integer(query, "endTime", now) // length, newest) + 1
        if "startTime" in query:
            first = max(-(-self._integer(query, "startTime", 0) // length), oldest)
            times, bars = self._enough(contract, interval, (first, end), limit, forward=True)
        else:
            times, bars = self._enough(contract, interval, (oldest, end), limit, forward=False)
        bare = self.exchange.faults.get("nan-literal", contract.symbol) is not None
        return wire.klines(contract, interval, times, bars, bare_nan=bare)

    def _enough(
        self, contract: Contract, interval: str, span: tuple[int, int], limit: int, *, forward: bool
    ) -> tuple[Floats, Floats]:
        """Return at most *limit* bars, the first or the last that there are between two bar numbers."""
        now, (first, last), width = self.exchange.seen(), span, limit
        while True:
            part = (first, min(last, first + width)) if forward else (max(first, last - width), last)
            times, bars = self.exchange.bars(contract, interval, *part, now)
            if len(times) >= limit or part == span or width > last - first:
                return (times[:limit], bars[:, :limit]) if forward else (times[-limit:], bars[:, -limit:])
            width *= 2  # holes were left out

    def depth(self, query: Query) -> str:
        contract = self._contract(query)
        levels = self._integer(query, "limit", 500)
        if levels not in (5, 10, 20, 50, 100, 500, 1_000):
            raise RefusedRequestError(400, -4021, f"{levels} is not valid depth limit.")
        book = self.exchange.book(contract, self.exchange.seen(), levels)
        self.depth_served += 1
        self.depth_asked.add(contract.symbol)
        bids, asks = wire.levels(book.bids, contract), wire.levels(book.asks, contract)
        return f'{{"lastUpdateId":{book.update},"E":{book.at},"T":{book.at},"bids":{bids},"asks":{asks}}}'

    def ticker_24h(self, query: Query) -> str:
        contracts = self._contracts(query)
        now = self.exchange.seen()
        days = self.exchange.statistics(now).bar.T.tolist()
        rows = [wire.ticker_row(contract, dead_or(contract, days[contract.row]), now) for contract in contracts]
        return rows[0] if "symbol" in query else "[" + ",".join(rows) + "]"

    def ticker_price(self, query: Query) -> str:
        contracts = self._contracts(query)
        now = self.exchange.seen()
        prices = self.exchange.prices(now).tolist()
        rows = [
            {
                "symbol": contract.symbol,
                "price": wire.number(0.0 if dead(contract) else prices[contract.row], contract.price_decimals),
                "time": now,
            }
            for contract in contracts
        ]
        return wire.dumps(rows[0] if "symbol" in query else rows)

    def premium_index(self, query: Query) -> str:
        contracts = self._contracts(query)
        now = self.exchange.seen()
        marks, indices, funding = (
            values.tolist()
            for values in (self.exchange.prices(now), self.exchange.index_prices(now), self.exchange.funding(now))
        )
        rows = []
        for contract in contracts:
            row, hours = contract.row, contract.funding_hours * 3_600_000
            delivering = contract.delivery < 4_000_000_000_000
            rows.append(
                {
                    "symbol": contract.symbol,
                    "markPrice": wire.number(marks[row]),
                    "indexPrice": wire.number(indices[row]),
                    "estimatedSettlePrice": wire.number(indices[row]),
                    "lastFundingRate": "" if delivering else wire.number(funding[row] * contract.funding_hours / 8),
                    "interestRate": "" if delivering else wire.number(0.0001 * contract.funding_hours / 8),
                    "nextFundingTime": 0 if delivering else (now // hours + 1) * hours,
                    "time": now,
                }
            )
        return wire.dumps(rows[0] if "symbol" in query else rows)

    # derivatives

    def open_interest(self, query: Query) -> str:
        contract = self._contract(query)
        now = self.exchange.seen()
        coins = self.exchange.tape.series_across(now // BAR_MS - 1)[0, contract.row]
        return wire.dumps({"symbol": contract.symbol, "openInterest": wire.number(coins, 3), "time": now})

    def funding_rate(self, query: Query) -> str:
        contract = self._contract(query)
        limit = self._integer(query, "limit", 100, 1_000)
        now = self.exchange.seen()
        if self.exchange.faults.get("funding-interval-missing", contract.symbol):
            return "[]"
        stamps, rates = self.exchange.settlements(contract, now)
        since, until = self._integer(query, "startTime", 0), self._integer(query, "endTime", now)
        keep = (stamps >= since) & (stamps <= until)
        part = slice(None, limit) if "startTime" in query else slice(-limit, None)
        stamps, rates = stamps[keep][part], rates[keep][part]
        closes = self.exchange.closes(contract.row, stamps.astype(int) // BAR_MS - 1) if len(stamps) else stamps
        return wire.dumps(
            [
                {
                    "symbol": contract.symbol,
                    # settlements are stamped a few milliseconds late
                    "fundingTime": int(stamp) + int(stamp) // 3_600_000 % 4,
                    "fundingRate": wire.number(rate),
                    "markPrice": wire.number(close),
                }
                for stamp, rate, close in zip(stamps, rates, closes, strict=True)
            ]
        )

    def funding_info(self, _: Query) -> str:
        missing = self.exchange.faults
        return wire.dumps(
            [
                {
                    "symbol": contract.symbol,
                    "adjustedFundingRateCap": "0.02000000",
                    "adjustedFundingRateFloor": "-0.02000000",
                    "fundingIntervalHours": contract.funding_hours,
                    "disclaimer": False,
                    "updateTime": None,
                }
                for contract in self.exchange.all_contracts()
                if contract.contract_type != "CURRENT_QUARTER"
                and contract.funding_adjusted
                and not missing.get("funding-interval-missing", contract.symbol)
            ]
        )

    def _period(self, query: Query) -> int:
        if not query.get("period"):
            raise malformed("period")
        if query["period"] not in PERIODS:
            raise RefusedRequestError(400, -1130, "Data sent for parameter 'period' is not valid.")
        return PERIODS[query["period"]]

    def _points(self, query: Query, *, lag: int = 0) -> tuple[Contract, Any, Any, Any]:
        contract, period = self._contract(query), self._period(query)
        limit = self._integer(query, "limit", 30, 500)
        now = self.exchange.seen()
        first, last = self._integer(query, "startTime", 0), self._integer(query, "endTime", now)
        oldest = now - 30 * 86_400_000
        if ("startTime" in query and first < oldest) or last < oldest or last < first:
            raise RefusedRequestError(400, -1130, "parameter 'startTime' is invalid.")
        stamps, series, closes = self.exchange.points(contract, period, max(first, oldest), last, now=now, lag=lag)
        return contract, stamps[-limit:], series[:, -limit:], closes[-limit:]

    def open_interest_history(self, query: Query) -> str:
        if self.exchange.faults.get("oi-400", query.get("symbol")):
            raise RefusedRequestError(400, -1130, "parameter 'startTime' is invalid.")
        contract, stamps, series, closes = self._points(query)
        return wire.dumps(
            [
                {
                    "symbol": contract.symbol,
                    "sumOpenInterest": wire.number(coins),
                    "sumOpenInterestValue": wire.number(coins * close),
                    "CMCCirculatingSupply": wire.number(float(round(coins * 200))),
                    "timestamp": int(stamp),
                }
                for stamp, coins, close in zip(stamps, series[0], closes, strict=True)
            ]
        )

    def ratio(self, query: Query, which: int) -> str:
        contract, stamps, series, _ = self._points(query)
        rows = []
        for stamp, value in zip(stamps, series[which], strict=True):
            longs = round(value / (1.0 + value), 4)
            rows.append(
                {
                    "symbol": contract.symbol,
                    "longAccount": wire.number(longs, 4),
                    "longShortRatio": wire.number(value, 4),
                    "shortAccount": wire.number(1.0 - longs, 4),
                    "timestamp": int(stamp),
                }
            )
        return wire.dumps(rows)

    def taker_ratio(self, query: Query) -> str:
        contract, stamps, _, _ = self._points(query, lag=1)
        width = self._period(query) // BAR_MS
        rows = []
        for stamp in stamps:
            first = max(int(stamp) // BAR_MS - width, self.exchange.tape.first_kept("5m"))
            bars = self.exchange.tape.bars(contract.row, "5m", first, max(first, int(stamp) // BAR_MS))
            bought, sold = np.nansum(bars[TAKER]), np.nansum(bars[VOLUME] - bars[TAKER])
            if bought + sold == 0:
                continue
            rows.append(
                {
                    "buySellRatio": wire.number(bought / sold if sold else 0.0, 4),
                    "sellVol": wire.number(sold, 4),
                    "buyVol": wire.number(bought, 4),
                    "timestamp": int(stamp),
                }
            )
        return wire.dumps(rows)

    # sentiment

    def fear_and_greed(self, query: Query) -> str:
        now = self.exchange.seen()
        days = self._integer(query, "limit", 1) or 30
        rows: list[dict[str, str]] = [
            {
                "value": str(value),
                "value_classification": next(label for most, label in _LABELS if value < most),
                "timestamp": str(stamp),
            }
            for stamp, value in self.exchange.fear_and_greed(now, min(days, 60))
        ]
        if rows:
            rows[0]["time_until_update"] = str(86_400 - now // 1_000 % 86_400)
        return wire.dumps({"name": "Fear and Greed Index", "data": rows, "metadata": {"error": None}})


def dead(contract: Contract) -> bool:
    """Whether the contract trades no more: its price is shown as 0."""
    return contract.status == "SETTLING"


def dead_or(contract: Contract, bar: list[float]) -> list[float]:
    return [0.0] * len(bar) if dead(contract) else bar
