"""The exchange's JSON: bars, frames and rows as text, numbers as strings with the contract's decimals."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np

from services.simulator.instruments import Contract
from services.simulator.market.tape import (
    CLOSE,
    COUNT,
    HIGH,
    INTERVAL_MS,
    LOW,
    OPEN,
    QUOTE,
    TAKER,
    TAKER_QUOTE,
    VOLUME,
    Floats,
)
from shared.contracts import DAY_MS

ST = ',"st":1'
ORDER_TYPES = (
    "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
)  # fmt: skip
UNKNOWN_FILTER = {"filterType": "LUNAR_PHASE", "limit": "FULL"}


def dumps(value: Any) -> str:
    """Return compact JSON in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@functools.lru_cache(maxsize=4_096)
def _row_format(price: int, quantity: int, quote: int) -> str:
    p, v, q = f'"%.{price}f"', f'"%.{quantity}f"', f'"%.{quote}f"'
    return f'[%d,{p},{p},{p},{p},{v},%d,{q},%d,{v},{q},"0"],'


def klines(contract: Contract, interval: str, times: Floats, bars: Floats, *, bare_nan: bool = False) -> str:
    """Return rows of twelve columns; *times* (n) are open times, *bars* (9, n)."""
    count = len(times)
    if count == 0:
        return "[]"
    rows = np.empty((11, count))
    rows[0], rows[6] = times, times + (INTERVAL_MS[interval] - 1)
    rows[1:6] = bars[: VOLUME + 1]
    rows[7], rows[8], rows[9], rows[10] = bars[QUOTE], bars[COUNT], bars[TAKER], bars[TAKER_QUOTE]
    form = _row_format(contract.price_decimals, contract.quantity_decimals, contract.quote_decimals)
    text = (form * count) % tuple(rows.T.ravel().tolist())
    return "[" + mended(text[:-1], bare_nan=bare_nan) + "]"


def mended(text: str, *, bare_nan: bool) -> str:
    """Write not-a-number and infinity the way a faulty exchange would."""
    if '"nan"' in text or '"inf"' in text:
        text = text.replace('"nan"', "NaN" if bare_nan else '"NaN"').replace('"inf"', '"Infinity"')
    return text


@functools.lru_cache(maxsize=8_192)
def _kline_format(symbol: str, interval: str, price: int, quantity: int, quote: int) -> str:
    p, v, q, name = f'"%.{price}f"', f'"%.{quantity}f"', f'"%.{quote}f"', dumps(symbol)
    return (
        f'{{"e":"kline","E":%d,"s":{name},"k":{{"t":%d,"T":%d,"s":{name},"i":"{interval}","f":%d,"L":%d,"o":{p},'
        f'"c":{p},"h":{p},"l":{p},"v":{v},"n":%d,"x":%s,"q":{q},"V":{v},"Q":{q},"B":"0"}}{ST}}}'
    )


def kline_frame(
    contract: Contract,
    interval: str,
    open_time: int,
    bar: list[float],
    *,
    event: int,
    closed: bool,
    bare_nan: bool = False,
) -> str:
    """Return one kline event; *bar* holds the nine columns."""
    form = _kline_format(
        contract.symbol, interval, contract.price_decimals, contract.quantity_decimals, contract.quote_decimals
    )
    first_trade = open_time // 1_000
    text = form % (
        event, open_time, open_time + INTERVAL_MS[interval] - 1, first_trade, first_trade + max(0, int(bar[COUNT]) - 1),
        bar[OPEN], bar[CLOSE], bar[HIGH], bar[LOW], bar[VOLUME], bar[COUNT], "true" if closed else "false",
        bar[QUOTE], bar[TAKER], bar[TAKER_QUOTE],
    )  # fmt: skip
    return mended(text, bare_nan=bare_nan)


def change(opened: float, close: float) -> tuple[float, float]:
    """Return the change in price and in percent."""
    return close - opened, 100.0 * (close - opened) / opened if opened else 0.0


def weighted(bar: list[float]) -> float:
    """Return the volume-weighted price of a bar."""
    return bar[QUOTE] / bar[VOLUME] if bar[VOLUME] else bar[CLOSE]


@functools.lru_cache(maxsize=4_096)
def _ticker_format(symbol: str, price: int, quantity: int, quote: int) -> tuple[str, str, str]:
    p, v, q, name = f'"%.{price}f"', f'"%.{quantity}f"', f'"%.{quote}f"', dumps(symbol)
    rest = (
        f'{{"symbol":{name},"priceChange":{p},"priceChangePercent":"%.3f","weightedAvgPrice":{p},"lastPrice":{p},'
        f'"lastQty":{v},"openPrice":{p},"highPrice":{p},"lowPrice":{p},"volume":{v},"quoteVolume":{q},"openTime":%d,'
        f'"closeTime":%d,"firstId":%d,"lastId":%d,"count":%d}}'
    )
    frame = (
        f'{{"e":"24hrTicker","E":%d,"s":{name},"p":{p},"P":"%.3f","w":{p},"c":{p},"Q":{v},"o":{p},"h":{p},"l":{p},'
        f'"v":{v},"q":{q},"O":%d,"C":%d,"F":%d,"L":%d,"n":%d{ST}}}'
    )
    mini = f'{{"e":"24hrMiniTicker","E":%d,"s":{name},"c":{p},"o":{p},"h":{p},"l":{p},"v":{v},"q":{q}{ST}}}'
    return rest, frame, mini


def _formats(contract: Contract) -> tuple[str, str, str]:
    return _ticker_format(contract.symbol, contract.price_decimals, contract.quantity_decimals, contract.quote_decimals)


def _ticker_values(contract: Contract, bar: list[float], at: int) -> tuple[float, ...]:
    difference, percent = change(bar[OPEN], bar[CLOSE])
    first = at // 1_000
    return (
        difference, percent, weighted(bar), bar[CLOSE], contract.step * (1 + at // 1_000 % 50), bar[OPEN], bar[HIGH],
        bar[LOW], bar[VOLUME], bar[QUOTE], at - DAY_MS, at, first, first + int(bar[COUNT]), bar[COUNT],
    )  # fmt: skip


def ticker_row(contract: Contract, bar: list[float], at: int) -> str:
    """Return a row of /fapi/v1/ticker/24hr; *bar* is the rolling day."""
    return _formats(contract)[0] % _ticker_values(contract, bar, at)


def ticker_event(contract: Contract, bar: list[float], at: int) -> str:
    """Return an element of !ticker@arr."""
    return _formats(contract)[1] % (at, *_ticker_values(contract, bar, at))


def mini_ticker_event(contract: Contract, bar: list[float], at: int) -> str:
    """Return an element of !miniTicker@arr."""
    return _formats(contract)[2] % (at, bar[CLOSE], bar[OPEN], bar[HIGH], bar[LOW], bar[VOLUME], bar[QUOTE])


def levels(side: Floats, contract: Contract) -> str:
    """Return price and quantity pairs."""
    form = f'["%.{contract.price_decimals}f","%.{contract.quantity_decimals}f"],'
    return "[" + ((form * len(side)) % tuple(side.ravel().tolist()))[:-1] + "]"


def number(value: float, decimals: int = 8) -> str:
    """Return a number the way the exchange writes it: a string with fixed decimals."""
    return f"{value:.{decimals}f}"


def symbol_information(contract: Contract, *, unknown_filter: bool = False) -> dict[str, Any]:
    """Return a contract's entry in exchangeInfo."""
    # the precision is not the tick size: Binance gives one digit more for many contracts
    price = contract.price_decimals + 1
    return {
        "symbol": contract.symbol,
        "pair": contract.symbol.partition("_")[0],
        "contractType": contract.contract_type,
        "deliveryDate": contract.delivery,
        "onboardDate": contract.onboard,
        "status": contract.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "marginAsset": contract.quote,
        "pricePrecision": price,
        "quantityPrecision": contract.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": contract.underlying,
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(contract, price) + ([UNKNOWN_FILTER] if unknown_filter else []),
        "orderTypes": list(ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _filters(contract: Contract, price: int) -> list[dict[str, Any]]:
    """Return what an order has to keep to; *price* is the precision of prices."""
    quantity = contract.quantity_decimals
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": number(contract.tick, price),
            "maxPrice": number(contract.tick * 10_000_000, price),
            "tickSize": number(contract.tick, price),
        },
        {
            "filterType": "LOT_SIZE",
            "stepSize": number(contract.step, quantity),
            "maxQty": "10000000",
            "minQty": number(contract.step, quantity),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "stepSize": number(contract.step, quantity),
            "maxQty": "1000000",
            "minQty": number(contract.step, quantity),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {"filterType": "PERCENT_PRICE", "multiplierDown": "0.9500", "multiplierUp": "1.0500", "multiplierDecimal": "4"},
    ]
