"""An exchange that is not Binance: BTC-USDT-SWAP, 100 bars a request, neither taker flow nor top traders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.fetcher.domain.derivatives import MarkPrice
from services.fetcher.domain.instruments import Instrument
from services.fetcher.exchange import Capabilities, FeedKind, FeedListener, Points, UnknownSymbolError
from shared.contracts import FULL_BARS, INTERVALS, SCAN_MS, Depth, Floats, Interval, pack

BEGIN: int = 1_767_225_600_000  # a UTC midnight
HELD = (FULL_BARS + 2) * 48  # five-minute bars before the first close
SYMBOLS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")


def market(number: int, count: int) -> Floats:
    """Return *count* five-minute bars that rise, the more so towards the end, without taker flow."""
    noise = np.random.default_rng(number)
    drift = np.where(np.arange(count) > HELD - 60, 0.0018, 0.00003)
    close = 100.0 * (number + 1) * np.exp(np.cumsum(drift + noise.normal(0, 0.0008, count)))
    opened = np.concatenate(([close[0]], close[:-1]))
    wick = 1 + np.abs(noise.normal(0, 0.0003, count))
    volume = 1_000 * (1 + (np.arange(count) > HELD - 12) * 3.0) * noise.uniform(0.8, 1.2, count)
    times = BEGIN + SCAN_MS * np.arange(count, dtype=np.float64)
    high, low = np.maximum(opened, close) * wick, np.minimum(opened, close) / wick
    return np.array([times, opened, high, low, close, volume, volume * close, np.full(count, np.nan)])


class FakeBudget:
    """An exchange that never refuses."""

    blocked = ""
    refused_for: str | None = ""
    used = 0
    limit = 2_400

    @property
    def retired(self) -> dict[str, str]:
        return {}

    async def remembered_ban(self) -> float:
        return 0.0


class FakeExchange:
    """Fills the port out of one array of bars a symbol; `now` is its clock."""

    capabilities = Capabilities(
        name="Fake",
        bitcoin=SYMBOLS[0],
        unavailable=("taker flow", "top-trader ratio"),
        longest_request=100,
        cheap_request=100,
    )

    source = ""
    remarks = ()

    def __init__(self) -> None:
        self.budget = FakeBudget()
        self.five = {symbol: market(number, HELD + 60) for number, symbol in enumerate(SYMBOLS)}
        self.now = BEGIN + HELD * SCAN_MS
        self.longest_asked = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def server_time(self) -> int:
        return self.now

    async def instruments(self) -> dict[str, Instrument]:
        return {symbol: Instrument(symbol, 0.01, BEGIN, True) for symbol in SYMBOLS}

    async def volumes(self) -> dict[str, float]:
        return {symbol: 1e9 - number for number, symbol in enumerate(SYMBOLS)}

    async def prices(self) -> tuple[int, dict[str, float]]:
        return self.now, {symbol: self.last(symbol) for symbol in SYMBOLS}

    async def bars(self, symbol: str, interval: Interval, *, limit: int, end_time: int) -> Floats:
        if symbol not in self.five:
            raise UnknownSymbolError(symbol)
        self.longest_asked = max(self.longest_asked, limit)
        per = INTERVALS[interval] // SCAN_MS
        whole = (min(end_time, self.now) - BEGIN) // INTERVALS[interval]
        five = self.five[symbol][:, max(0, whole - limit) * per : whole * per]
        parts = five.reshape(8, -1, per)
        return np.array(
            [
                parts[0, :, 0],
                parts[1, :, 0],
                parts[2].max(axis=1),
                parts[3].min(axis=1),
                parts[4, :, -1],
                *parts[5:].sum(axis=2),
            ]
        )

    async def book(self, symbol: str) -> Depth:
        steps, last = np.arange(1, 21) * 0.01, self.last(symbol)
        bids, asks = (np.column_stack((last + sign * steps, np.full(20, 50.0))) for sign in (-1, 1))
        return Depth(at=self.now, bids=pack(bids), asks=pack(asks))

    async def mark_prices(self) -> dict[str, MarkPrice]:
        return {symbol: MarkPrice(self.now, self.last(symbol), self.last(symbol), 0.0001) for symbol in SYMBOLS}

    async def funding_intervals(self) -> dict[str, int]:
        return dict.fromkeys(SYMBOLS, 8)

    async def settled_funding(self, symbol: str, *, limit: int) -> Points:
        every = 8 * INTERVALS["1h"]
        return (self.now // every - np.arange(limit, dtype=np.float64)[::-1]) * every, np.full(limit, 0.0001)

    async def open_interest(self, symbol: str, *, limit: int) -> Points:
        return self._points(limit, 1e6)

    async def global_ratio(self, symbol: str, *, limit: int) -> Points:
        return self._points(limit, 1.0)

    async def top_ratio(self, symbol: str, *, limit: int) -> Points:
        raise AssertionError("it has none: nobody asks")

    def last(self, symbol: str) -> float:
        """Return the close of the newest bar."""
        return float(self.five[symbol][4, (self.now - BEGIN) // SCAN_MS - 1])

    def _points(self, limit: int, base: float) -> Points:
        times = self.now - self.now % SCAN_MS - SCAN_MS * np.arange(limit, dtype=np.float64)[::-1]
        return times, base * (1 + np.sin(times / 9e6) / 50 + (times - BEGIN) / 1e12)


class FakeFeed:
    """Hands over what `step` makes happen."""

    unheard_seconds = 0.0

    def __init__(self, exchange: FakeExchange, listener: FeedListener) -> None:
        self._exchange, self._listener = exchange, listener
        self.held: tuple[str, ...] = ()

    @property
    def up(self) -> bool:
        return bool(self.held)

    async def hold(self, symbols: Sequence[str]) -> None:
        self.held = tuple(symbols)

    async def close(self) -> None:
        self.held = ()

    def silent_seconds(self, kind: FeedKind) -> float | None:
        return 0.0 if self.held else None

    def replace_silent(self, longest: float) -> None: ...

    def replace(self, symbols: Sequence[str], reason: str) -> None: ...

    async def step(self) -> int:
        """Let five minutes pass: prices, marks and the closed bars; return the close."""
        exchange, listener = self._exchange, self._listener
        exchange.now += SCAN_MS
        for symbol in self.held:
            bar = exchange.five[symbol][:, (exchange.now - BEGIN) // SCAN_MS - 1]
            listener.closed_bar(symbol, bar, exchange.now)
        listener.marks(exchange.now, await exchange.mark_prices())
        listener.prices(*await exchange.prices())
        return exchange.now
