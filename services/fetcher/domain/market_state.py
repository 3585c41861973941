"""The state of the market: windows, prices, and each coin's next bar; no I/O, no clock, no counting.

A symbol's bar of the next close is *awaited* until its window holds it.  A window that cannot take a bar is
*broken* until REST has repaired it; a bar that looks wrong is *suspect* until REST has confirmed it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from services.fetcher.domain.bars import OPEN_TIME, BarResult
from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.snapshot import Coin
from services.fetcher.domain.symbol_windows import WICK, SymbolWindows
from services.fetcher.domain.universe import Selection
from shared.contracts import SCAN_MS, Floats, Interval

BREAKING: Final = frozenset({BarResult.GAP, BarResult.NOT_FINITE, BarResult.INCONSISTENT})
NOT_TRADING: Final = "not trading"


def newest_close(now: int) -> int:
    """Return the newest five-minute close at *now*, ms."""
    return now - now % SCAN_MS


class Market:
    """The coins and their windows, last prices, and whose bars of the next close are not in."""

    def __init__(self) -> None:
        self.instruments: Mapping[str, Instrument] = {}
        self.selection = Selection(())
        self.coins: dict[str, Coin] = {}
        self.prices: dict[str, float] = {}  #: last ones, of contracts that trade
        self.next_close = 0
        self._awaited: set[str] = set()
        self._heard: set[str] = set()  #: symbols with a bar of the next close from their stream, usable or not
        self._broken: set[str] = set()
        self._suspect: set[str] = set()
        self._early: dict[str, list[Floats]] = {}  #: bars that came before their window was loaded
        self._loaded: set[str] = set()

    # ---- which coins ---------------------------------------------------------------------------

    def learn(self, instruments: Mapping[str, Instrument]) -> None:
        """Take tick sizes, states and new contracts."""
        self.instruments = instruments
        for symbol, coin in self.coins.items():
            if symbol not in instruments or not instruments[symbol].tradable:
                coin.absent = NOT_TRADING
                self.prices.pop(symbol, None)
            if symbol in instruments:
                coin.instrument = instruments[symbol]

    def choose(self, selection: Selection) -> None:
        """Watch *selection* from now on; the next `aim` drops coins that are no longer in it."""
        self.selection = selection
        for symbol in selection.held:
            if symbol in self.instruments and symbol not in self.coins:
                self.coins[symbol] = Coin(self.instruments[symbol], SymbolWindows(symbol))

    def aim(self, close: int) -> None:
        """Make *close* the next scan; drop the coins that left the universe."""
        self.next_close = close
        for symbol in set(self.coins) - set(self.selection.held):
            del self.coins[symbol]
            self._loaded.discard(symbol)
        self._awaited = {
            symbol
            for symbol in self.selection.held
            if symbol in self.coins
            and self.coins[symbol].windows.last_close < close
            and self.coins[symbol].absent != NOT_TRADING
        }
        self._heard.clear()
        self._broken.clear()

    # ---- loading -------------------------------------------------------------------------------

    def loaded(self, symbol: str) -> bool:
        """Whether the windows of *symbol* are held and loaded."""
        return symbol in self._loaded and symbol in self.coins

    def to_load(self) -> list[str]:
        """Return the chosen symbols whose windows are not loaded."""
        return [symbol for symbol in self.selection.held if symbol in self.coins and symbol not in self._loaded]

    def set_loaded(self, symbol: str) -> list[BarResult]:
        """Take bars from the feed from now on, those that came meanwhile first; return their results."""
        self._loaded.add(symbol)
        return [self.take(self.coins[symbol], bar) for bar in self._early.pop(symbol, [])]

    # ---- bars ----------------------------------------------------------------------------------

    def offer(self, symbol: str, bar: Floats) -> BarResult | None:
        """Take a closed bar from the feed; None where its symbol is not held, or its window not loaded yet."""
        coin = self.coins.get(symbol)
        if coin is None:
            return None
        if bar[OPEN_TIME] + SCAN_MS == self.next_close:
            self._heard.add(symbol)
        if symbol in self._loaded:
            return self.take(coin, bar)
        self._early.setdefault(symbol, []).append(bar)
        return None

    def take(self, coin: Coin, bar: Floats) -> BarResult:
        """Offer a closed bar to the window; note what REST has to repair or confirm."""
        symbol = coin.instrument.symbol
        result = coin.windows.take(bar, coin.derivatives.mark_range(int(bar[OPEN_TIME])))
        if result in BREAKING:
            self._broken.add(symbol)
            coin.absent = str(result)
        elif result is BarResult.QUARANTINED:
            self._suspect.add(symbol)
        if coin.windows.last_close >= self.next_close:
            self._awaited.discard(symbol)
            coin.absent = ""
        return result

    def merge(self, coin: Coin, interval: Interval, bars: Floats, *, whole: bool) -> list[BarResult]:
        """Take bars from REST, *whole* ones instead of the window; return the results of single ones."""
        results: list[BarResult] = []
        if whole and bars.shape[1]:
            coin.windows.load({interval: bars})
        elif interval == "5m":
            results = [self.take(coin, bars[:, column]) for column in range(bars.shape[1])]
        else:
            coin.windows.adopt(interval, bars)
        if interval == "5m" and coin.windows.last_close >= self.next_close:
            self._awaited.discard(coin.instrument.symbol)
        return results

    # ---- what REST has to do -------------------------------------------------------------------

    def awaited(self) -> frozenset[str]:
        """Return the symbols whose bar of the next close is not in."""
        return frozenset(self._awaited)

    def doubtful(self) -> frozenset[str]:
        """Return the symbols whose window REST has to repair, or whose newest bar it has to confirm."""
        return frozenset(self._broken | self._suspect)

    @property
    def settled(self) -> bool:
        """Whether all bars of the next close are in and none of them is suspect."""
        return not self._awaited and not self._suspect

    def hand_over(self, symbols: Collection[str]) -> frozenset[str]:
        """Leave *symbols* to REST, no longer doubtful; return those whose newest bar is to be confirmed."""
        self._broken -= set(symbols)
        suspects = frozenset(self._suspect & set(symbols))
        self._suspect -= suspects
        return suspects

    def confirm(self, symbol: str) -> None:
        """Trust the newest bar of *symbol*, which REST has confirmed."""
        self._suspect.discard(symbol)

    def mended(self, symbol: str) -> None:
        """Note that REST has no more to do for *symbol*."""
        self._broken.discard(symbol)

    def excuse(self, coin: Coin, reason: str) -> None:
        """Note why *coin* has no bars."""
        coin.absent = reason

    def unheard(self, symbols: Collection[str]) -> set[str]:
        """Return those of *symbols* without a bar of the next close from their stream."""
        return set(symbols) - self._heard

    # ---- prices --------------------------------------------------------------------------------

    def take_price(self, symbol: str, price: float) -> bool:
        """Keep a last price of a contract that trades; False where it is too far from the mark price."""
        instrument = self.instruments.get(symbol)
        if instrument is None or not instrument.tradable:
            self.prices.pop(symbol, None)
        elif not self._is_plausible(symbol, price):
            return False
        else:
            self.prices[symbol] = price
        return True

    def _is_plausible(self, symbol: str, price: float) -> bool:
        coin = self.coins.get(symbol)
        if coin is None or not coin.derivatives.marks:
            return True
        mark = coin.derivatives.marks[-1].price
        return mark * (1 - WICK) <= price <= mark / (1 - WICK)
