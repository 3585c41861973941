"""What a request asks for, or the exchange's error where it asks wrongly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from services.simulator.exchange import SimulatedExchange
from services.simulator.instruments import Contract
from services.simulator.protocol import encode

Query = Mapping[str, str]
PERIODS: Final = {
    "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000, "4h": 14_400_000,
    "6h": 21_600_000, "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip


class RefusedRequestError(Exception):
    """An error body of the exchange."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.body = status, encode.dumps({"code": code, "msg": message})


def malformed(parameter: str) -> RefusedRequestError:
    return RefusedRequestError(
        400, -1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."
    )


def contract_of(exchange: SimulatedExchange, query: Query) -> Contract:
    """Return the contract that *query* names."""
    symbol = query.get("symbol")
    if not symbol:
        raise malformed("symbol")
    contract = exchange.contract(symbol)
    if contract is None:
        raise RefusedRequestError(400, -1121, "Invalid symbol.")
    return contract


def contracts_of(exchange: SimulatedExchange, query: Query) -> list[Contract]:
    """Return the contract that *query* names, or all of them."""
    return [contract_of(exchange, query)] if "symbol" in query else exchange.all_contracts()


def integer(query: Query, name: str, default: int, most: int | None = None) -> int:
    """Return a parameter, *default* where it is absent; with *most* it is from 1 to *most*."""
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,20}", text):
        raise RefusedRequestError(
            400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
        )
    if most is not None and not 0 < int(text) <= most:
        raise RefusedRequestError(400, -1130, f"Data sent for parameter '{name}' is not valid.")
    return int(text)


def period_ms(query: Query) -> int:
    """Return the length of a point's period, ms."""
    if not query.get("period"):
        raise malformed("period")
    if query["period"] not in PERIODS:
        raise RefusedRequestError(400, -1130, "Data sent for parameter 'period' is not valid.")
    return PERIODS[query["period"]]
