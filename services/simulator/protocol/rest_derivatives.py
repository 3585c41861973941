"""The REST endpoints of derivatives: open interest, funding, ratios."""

from __future__ import annotations

from typing import Any

import numpy as np

from services.simulator.exchange import SimulatedExchange
from services.simulator.instruments import BAR_MS, Contract
from services.simulator.market.tape import TAKER, VOLUME
from services.simulator.protocol import encode
from services.simulator.protocol.parameters import Query, RefusedRequestError, contract_of, integer, period_ms
from shared.contracts import DAY_MS, HOUR_MS


class DerivativeEndpoints:
    """A query in, a JSON text or an error out."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        self.exchange = exchange

    def open_interest(self, query: Query) -> str:
        contract = contract_of(self.exchange, query)
        now = self.exchange.seen()
        coins = self.exchange.tape.series_across(now // BAR_MS - 1)[0, contract.row]
        return encode.dumps({"symbol": contract.symbol, "openInterest": encode.number(coins, 3), "time": now})

    def funding_rate(self, query: Query) -> str:
        contract = contract_of(self.exchange, query)
        limit = integer(query, "limit", 100, 1_000)
        now = self.exchange.seen()
        if self.exchange.faults.get("funding-interval-missing", contract.symbol):
            return "[]"
        stamps, rates = self.exchange.settlements(contract, now)
        since, until = integer(query, "startTime", 0), integer(query, "endTime", now)
        keep = (stamps >= since) & (stamps <= until)
        part = slice(None, limit) if "startTime" in query else slice(-limit, None)
        stamps, rates = stamps[keep][part], rates[keep][part]
        closes = self.exchange.closes(contract.row, stamps.astype(int) // BAR_MS - 1) if len(stamps) else stamps
        return encode.dumps(
            [
                {
                    "symbol": contract.symbol,
                    # settlements are stamped a few milliseconds late
                    "fundingTime": int(stamp) + int(stamp) // HOUR_MS % 4,
                    "fundingRate": encode.number(rate),
                    "markPrice": encode.number(close),
                }
                for stamp, rate, close in zip(stamps, rates, closes, strict=True)
            ]
        )

    def funding_info(self, _: Query) -> str:
        missing = self.exchange.faults
        return encode.dumps(
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

    def _points(self, query: Query, *, lag: int = 0) -> tuple[Contract, Any, Any, Any]:
        contract, period = contract_of(self.exchange, query), period_ms(query)
        limit = integer(query, "limit", 30, 500)
        now = self.exchange.seen()
        first, last = integer(query, "startTime", 0), integer(query, "endTime", now)
        oldest = now - 30 * DAY_MS
        if ("startTime" in query and first < oldest) or last < oldest or last < first:
            raise RefusedRequestError(400, -1130, "parameter 'startTime' is invalid.")
        stamps, series, closes = self.exchange.points(contract, period, max(first, oldest), last, now=now, lag=lag)
        return contract, stamps[-limit:], series[:, -limit:], closes[-limit:]

    def open_interest_history(self, query: Query) -> str:
        if self.exchange.faults.get("oi-400", query.get("symbol")):
            raise RefusedRequestError(400, -1130, "parameter 'startTime' is invalid.")
        contract, stamps, series, closes = self._points(query)
        return encode.dumps(
            [
                {
                    "symbol": contract.symbol,
                    "sumOpenInterest": encode.number(coins),
                    "sumOpenInterestValue": encode.number(coins * close),
                    "CMCCirculatingSupply": encode.number(float(round(coins * 200))),
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
                    "longAccount": encode.number(longs, 4),
                    "longShortRatio": encode.number(value, 4),
                    "shortAccount": encode.number(1.0 - longs, 4),
                    "timestamp": int(stamp),
                }
            )
        return encode.dumps(rows)

    def taker_ratio(self, query: Query) -> str:
        contract, stamps, _, _ = self._points(query, lag=1)
        width = period_ms(query) // BAR_MS
        rows = []
        for stamp in stamps:
            first = max(int(stamp) // BAR_MS - width, self.exchange.tape.first_kept("5m"))
            bars = self.exchange.tape.bars(contract.row, "5m", first, max(first, int(stamp) // BAR_MS))
            bought, sold = np.nansum(bars[TAKER]), np.nansum(bars[VOLUME] - bars[TAKER])
            if bought + sold == 0:
                continue
            rows.append(
                {
                    "buySellRatio": encode.number(bought / sold if sold else 0.0, 4),
                    "sellVol": encode.number(sold, 4),
                    "buyVol": encode.number(bought, 4),
                    "timestamp": int(stamp),
                }
            )
        return encode.dumps(rows)
