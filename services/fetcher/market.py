"""What is held of the market, and how a bar gets into it: no I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from services.fetcher.bars import Taken
from services.fetcher.clock import ExchangeClock
from services.fetcher.handler import Coin
from services.fetcher.universe import Instrument, Selection
from services.fetcher.windows import WICK, SymbolWindows
from shared import metrics
from shared.contracts import SCAN_MS, Floats, Interval


class Market:
    """The coins and their windows, last prices, and whose bars of the next close are not in."""

    def __init__(self, clock: ExchangeClock) -> None:
        self.clock = clock
        self.instruments: Mapping[str, Instrument] = {}
        self.selection = Selection(())
        self.coins: dict[str, Coin] = {}
        self.prices: dict[str, float] = {}  #: last ones, of contracts that trade
        self.next_close = 0
        self.waiting: set[str] = set()  #: symbols whose bar of the next close is not in
        self.brought: set[str] = set()  #: symbols whose stream brought a bar of the next close, whatever became of it
        self.urgent: set[str] = set()  #: of those, whose windows REST has to mend
        self.suspect: set[str] = set()  #: symbols whose newest bar REST has to confirm
        self.moved = asyncio.Event()  #: set by whatever a waiter may wait for
        self._early: dict[str, list[Floats]] = {}  #: bars that came before their window was loaded
        self._loaded: set[str] = set()

    # ---- which coins ---------------------------------------------------------------------------

    def learn(self, instruments: Mapping[str, Instrument]) -> None:
        """Take tick sizes, states and new contracts."""
        self.instruments = instruments
        for symbol, coin in self.coins.items():
            if symbol not in instruments or not instruments[symbol].tradable:
                coin.absent = "not trading"
                self.prices.pop(symbol, None)
            if symbol in instruments:
                coin.instrument = instruments[symbol]

    def choose(self, selection: Selection) -> None:
        """Watch *selection* from now on; who is not in it any more is let go by the next `aim`."""
        self.selection = selection
        for symbol in selection.held:
            if symbol in self.instruments and symbol not in self.coins:
                self.coins[symbol] = Coin(self.instruments[symbol], SymbolWindows(symbol))

    def aim(self, close: int) -> None:
        """Make *close* the next scan; coins that left the universe are let go between two scans."""
        self.next_close = close
        for symbol in set(self.coins) - set(self.selection.held):
            del self.coins[symbol]
            self._loaded.discard(symbol)
        self.waiting = {
            symbol
            for symbol in self.selection.held
            if symbol in self.coins
            and self.coins[symbol].windows.last_close < close
            and self.coins[symbol].absent != "not trading"
        }
        self.brought.clear()
        self.urgent.clear()

    def last_closed(self) -> int:
        """Return the newest close by the exchange's clock."""
        now = self.clock.now()
        return now - now % SCAN_MS

    # ---- loading -------------------------------------------------------------------------------

    def loaded(self, symbol: str) -> bool:
        """Whether the windows of *symbol* are held and loaded."""
        return symbol in self._loaded and symbol in self.coins

    def to_load(self) -> list[str]:
        """Return the chosen symbols whose windows are not loaded."""
        return [symbol for symbol in self.selection.held if symbol in self.coins and symbol not in self._loaded]

    def set_loaded(self, symbol: str) -> None:
        """Take bars from the streams from now on, those that came meanwhile first."""
        self._loaded.add(symbol)
        for bar in self._early.pop(symbol, []):
            self.take(self.coins[symbol], bar)

    # ---- bars ----------------------------------------------------------------------------------

    def offer(self, symbol: str, bar: Floats) -> None:
        """Take a closed bar from the streams, or keep it until the window is loaded."""
        coin = self.coins.get(symbol)
        if coin is None:
            return
        if bar[0] + SCAN_MS == self.next_close:
            self.brought.add(symbol)
        if symbol in self._loaded:
            self.take(coin, bar)
        else:
            self._early.setdefault(symbol, []).append(bar)

    def take(self, coin: Coin, bar: Floats) -> Taken:
        """Offer a closed bar to the window; note what REST has to mend or confirm."""
        symbol = coin.instrument.symbol
        taken = coin.windows.take(bar, coin.derivatives.mark_range(int(bar[0])))
        metrics.FEED_BARS.labels(taken).inc()
        if taken in {Taken.GAP, Taken.NOT_FINITE, Taken.INCONSISTENT}:
            self.urgent.add(symbol)
            coin.absent = str(taken)
        elif taken is Taken.QUARANTINED:
            self.suspect.add(symbol)
        self._note_arrival(coin)
        return taken

    def merge(self, coin: Coin, interval: Interval, bars: Floats, *, whole: bool) -> None:
        """Take bars that REST brought; *whole* ones replace the window."""
        if whole and bars.shape[1]:
            coin.windows.load({interval: bars})
        elif interval == "5m":
            for column in range(bars.shape[1]):
                self.take(coin, bars[:, column])
        else:
            coin.windows.adopt(interval, bars)
        if interval == "5m" and coin.windows.last_close >= self.next_close:
            self.waiting.discard(coin.instrument.symbol)

    def _note_arrival(self, coin: Coin) -> None:
        if coin.windows.last_close >= self.next_close:
            self.waiting.discard(coin.instrument.symbol)
            coin.absent = ""

    # ---- prices --------------------------------------------------------------------------------

    def take_price(self, symbol: str, price: float) -> None:
        """Keep a last price unless its contract does not trade or the mark price says otherwise."""
        instrument = self.instruments.get(symbol)
        if instrument is None or not instrument.tradable:
            self.prices.pop(symbol, None)
        elif self._plausible(symbol, price):
            self.prices[symbol] = price

    def _plausible(self, symbol: str, price: float) -> bool:
        coin = self.coins.get(symbol)
        if coin is None or not coin.derivatives.marks:
            return True
        mark = coin.derivatives.marks[-1].price
        if mark * (1 - WICK) <= price <= mark / (1 - WICK):
            return True
        metrics.FEED_FAULTS.labels("price far from mark").inc()
        return False
