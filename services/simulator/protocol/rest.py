"""The REST endpoints: a path and a query in, a JSON text or an error out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from services.simulator.exchange import SimulatedExchange
from services.simulator.instruments import Contract
from services.simulator.market.tape import INTERVAL_MS, Floats
from services.simulator.protocol import encode
from services.simulator.protocol.limits import WEIGHT_LIMIT
from services.simulator.protocol.parameters import (
    Query,
    RefusedRequestError,
    contract_of,
    contracts_of,
    integer,
    malformed,
)
from services.simulator.protocol.rest_derivatives import DerivativeEndpoints
from shared.contracts import HOUR_MS

_LABELS: Final = ((25, "Extreme Fear"), (46, "Fear"), (54, "Neutral"), (75, "Greed"), (101, "Extreme Greed"))


class RestEndpoints:
    """Every endpoint that a reader of public market data uses."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        self.exchange = exchange
        self.depth_served = 0
        self.depth_asked: set[str] = set()  #: symbols, until the lockstep empties it
        derivatives = DerivativeEndpoints(exchange)
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
            "/fapi/v1/openInterest": derivatives.open_interest,
            "/fapi/v1/fundingRate": derivatives.funding_rate,
            "/fapi/v1/fundingInfo": derivatives.funding_info,
            "/futures/data/openInterestHist": derivatives.open_interest_history,
            "/futures/data/globalLongShortAccountRatio": lambda query: derivatives.ratio(query, 1),
            "/futures/data/topLongShortAccountRatio": lambda query: derivatives.ratio(query, 2),
            "/futures/data/topLongShortPositionRatio": lambda query: derivatives.ratio(query, 3),
            "/futures/data/takerlongshortRatio": derivatives.taker_ratio,
            "/fng/": self.fear_and_greed,
        }

    # market

    def time(self, _: Query) -> str:
        faults = self.exchange.faults
        if faults.get("time-unavailable"):
            raise RefusedRequestError(503, -1001, "Internal error; unable to process your request. Please try again.")
        return encode.dumps({"serverTime": self.exchange.now() + (90_000 if faults.get("clock-skew") else 0)})

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
                encode.symbol_information(contract, unknown_filter=unknown) for contract in exchange.all_contracts()
            ],
            # not of the exchange: what a reader has to mark as made by a rule
            "simulated": {"estimated": list(exchange.source.estimated), "replay": exchange.source.end is not None},
        }
        return encode.dumps(answer)

    def klines(self, query: Query) -> str:
        contract = contract_of(self.exchange, query)
        interval = query.get("interval") or ""
        if not interval:
            raise malformed("interval")
        if interval not in INTERVAL_MS:
            raise RefusedRequestError(400, -1120, "Invalid interval.")
        limit = integer(query, "limit", 500, 1_500)
        now, length = self.exchange.seen(), INTERVAL_MS[interval]
        oldest = max(self.exchange.tape.first_kept(interval), -(-contract.onboard // length))
        newest = self.exchange.newest_bar(contract, interval)
        end = min(integer(query, "endTime", now) // length, newest) + 1
        if "startTime" in query:
            first = max(-(-integer(query, "startTime", 0) // length), oldest)
            times, bars = self._enough(contract, interval, (first, end), limit, forward=True)
        else:
            times, bars = self._enough(contract, interval, (oldest, end), limit, forward=False)
        bare = self.exchange.faults.get("nan-literal", contract.symbol) is not None
        return encode.klines(contract, interval, times, bars, bare_nan=bare)

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
        contract = contract_of(self.exchange, query)
        levels = integer(query, "limit", 500)
        if levels not in (5, 10, 20, 50, 100, 500, 1_000):
            raise RefusedRequestError(400, -4021, f"{levels} is not valid depth limit.")
        self.depth_asked.add(contract.symbol)
        if self.exchange.faults.get("book-400", contract.symbol):
            raise RefusedRequestError(400, -1130, "parameter 'symbol' is invalid.")
        book = self.exchange.book(contract, self.exchange.seen(), levels)
        self.depth_served += 1
        bids, asks = encode.levels(book.bids, contract), encode.levels(book.asks, contract)
        return f'{{"lastUpdateId":{book.update},"E":{book.at},"T":{book.at},"bids":{bids},"asks":{asks}}}'

    def ticker_24h(self, query: Query) -> str:
        contracts = contracts_of(self.exchange, query)
        now = self.exchange.seen()
        days = self.exchange.statistics(now).bar.T.tolist()
        rows = [encode.ticker_row(contract, dead_or(contract, days[contract.row]), now) for contract in contracts]
        return rows[0] if "symbol" in query else "[" + ",".join(rows) + "]"

    def ticker_price(self, query: Query) -> str:
        contracts = contracts_of(self.exchange, query)
        now = self.exchange.seen()
        prices = self.exchange.prices(now).tolist()
        rows = [
            {
                "symbol": contract.symbol,
                "price": encode.number(0.0 if dead(contract) else prices[contract.row], contract.price_decimals),
                "time": now,
            }
            for contract in contracts
        ]
        return encode.dumps(rows[0] if "symbol" in query else rows)

    def premium_index(self, query: Query) -> str:
        contracts = contracts_of(self.exchange, query)
        now = self.exchange.seen()
        marks, indices, funding = (
            values.tolist()
            for values in (self.exchange.prices(now), self.exchange.index_prices(now), self.exchange.funding(now))
        )
        rows = []
        for contract in contracts:
            row, hours = contract.row, contract.funding_hours * HOUR_MS
            delivering = contract.delivery < 4_000_000_000_000
            rows.append(
                {
                    "symbol": contract.symbol,
                    "markPrice": encode.number(marks[row]),
                    "indexPrice": encode.number(indices[row]),
                    "estimatedSettlePrice": encode.number(indices[row]),
                    "lastFundingRate": "" if delivering else encode.number(funding[row] * contract.funding_hours / 8),
                    "interestRate": "" if delivering else encode.number(0.0001 * contract.funding_hours / 8),
                    "nextFundingTime": 0 if delivering else (now // hours + 1) * hours,
                    "time": now,
                }
            )
        return encode.dumps(rows[0] if "symbol" in query else rows)

    # sentiment

    def fear_and_greed(self, query: Query) -> str:
        now = self.exchange.seen()
        days = integer(query, "limit", 1) or 30
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
        return encode.dumps({"name": "Fear and Greed Index", "data": rows, "metadata": {"error": None}})


def dead(contract: Contract) -> bool:
    """Whether the contract trades no more: its price is shown as 0."""
    return contract.status == "SETTLING"


def dead_or(contract: Contract, bar: list[float]) -> list[float]:
    return [0.0] * len(bar) if dead(contract) else bar
