"""Snapshots as they travel: a coin's is packed while other coins' bars are awaited, and used if nothing has changed."""

from __future__ import annotations

from dataclasses import dataclass

from services.fetcher.domain import snapshot as handler
from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.market_state import Market
from services.fetcher.domain.snapshot import Coin
from services.fetcher.domain.symbol_windows import SymbolWindows
from services.fetcher.exchange import Exchange
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.fear_greed import FearAndGreed
from shared.bus.wire import PackedSnapshot, packed
from shared.contracts import SCAN_MS, Depth, Derivatives, Sentiment
from shared.runtime.service import Service


@dataclass(frozen=True)
class HeldBars:
    """A coin's bars at one moment."""

    windows: SymbolWindows | None
    changes: int
    distrusted: tuple[int, ...]

    @classmethod
    def of(cls, coin: Coin | None) -> HeldBars:
        """Return those of *coin* now."""
        if coin is None:
            return cls(None, 0, ())
        return cls(coin.windows, coin.windows.changes, tuple(coin.windows.distrusted))


@dataclass(frozen=True)
class Inputs:
    """All that a coin's snapshot is made of; equal ones make equal snapshots."""

    scan_id: int
    settings_version: int
    record_version: int
    instrument: Instrument
    bars: HeldBars
    bitcoin: HeldBars
    derivatives: Derivatives
    depth: Depth | None
    depth_ms: int
    sentiment: Sentiment | None


class SnapshotPacker:
    """Packs the snapshots of one scan at a time, each once while its inputs stay."""

    def __init__(
        self, service: Service, market: Market, clock: ExchangeClock, exchange: Exchange, sentiment: FearAndGreed
    ) -> None:
        self._service, self._market, self._clock = service, market, clock
        self._capabilities = exchange.capabilities
        self._sentiment = sentiment
        self._scan_id = 0
        self._packed: dict[str, tuple[Inputs, PackedSnapshot]] = {}  #: of that scan

    def pack_ahead(self) -> bool:
        """Pack one coin whose bar of the next close is in, while others are awaited; return whether there was one.

        Nothing is packed before Bitcoin's bar is in, which every snapshot has.
        """
        awaited, close = self._market.awaited(), self._market.next_close
        if not awaited or self._capabilities.bitcoin in awaited:
            return False
        self._turn_to(close)
        for symbol in set(self._market.selection.symbols) - awaited - self._packed.keys():
            if not handler.why_missing(self._market.coins.get(symbol), close):
                self.pack(symbol, close)
                return True
        return False

    def pack(self, symbol: str, scan_id: int) -> PackedSnapshot:
        """Return the snapshot of *symbol*, as it was packed before if its inputs are still the same."""
        self._turn_to(scan_id)
        coin = self._market.coins[symbol]
        inputs, held = self._inputs(coin, scan_id), self._packed.get(symbol)
        if held is not None and held[0] == inputs:
            return held[1]
        snapshot = handler.snapshot(
            coin,
            handler.bitcoin_bars(self._market.coins, self._capabilities.bitcoin, scan_id),
            scan_id,
            settings_version=inputs.settings_version,
            record_version=inputs.record_version,
            sentiment=inputs.sentiment,
            depth_ms=inputs.depth_ms,
            unavailable=self._capabilities.unavailable,
        )
        made = packed(snapshot)
        self._packed[symbol] = inputs, made
        return made

    def _turn_to(self, scan_id: int) -> None:
        """Drop what was packed of another scan."""
        if scan_id != self._scan_id:
            self._scan_id = scan_id
            self._packed.clear()

    def _inputs(self, coin: Coin, scan_id: int) -> Inputs:
        """Return what the snapshot of *coin* is made of now."""
        settings = self._service.settings
        return Inputs(
            scan_id,
            settings.version,
            settings.record_for(scan_id).version,
            coin.instrument,
            HeldBars.of(coin),
            HeldBars.of(self._market.coins.get(self._capabilities.bitcoin)),
            coin.derivatives.cut(scan_id),
            coin.depth,
            handler.DEPTH_MS if self._clock.speed <= 1 else SCAN_MS,
            self._sentiment.newest,
        )

    def forget(self) -> None:
        """Drop what was packed, once it is published."""
        self._packed.clear()
