"""Packing a coin's snapshot while other coins' bars are awaited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from services.fetcher.domain import snapshot as handler
from services.fetcher.domain.derivatives import MarkPrice
from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.market_state import Market
from services.fetcher.domain.universe import Selection
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.fear_greed import FearAndGreed
from services.fetcher.scan.packer import SnapshotPacker
from shared.config.environment import Environment
from shared.contracts import FULL_BARS, SCAN_MS, Depth, Floats, MarketSnapshot, Sentiment, SettingsChanged
from shared.runtime.service import Service
from tests.integration.fetcher.fake_exchange import SYMBOLS, FakeExchange, market
from tests.memory_bus import MemoryBus

BITCOIN, COIN, LAST = SYMBOLS[:3]
HELD = FULL_BARS - 1  #: the bar of the next close is to come


class Index(FearAndGreed):
    """Shows what a test says."""

    shown: Sentiment | None = None

    @property
    def newest(self) -> Sentiment | None:
        return self.shown


class Fetching:
    """Three coins whose windows end before the next close."""

    def __init__(self) -> None:
        self.exchange, self.market = FakeExchange(), Market()
        self.market.learn({name: replace(LISTED, symbol=name) for name in (BITCOIN, COIN, LAST)})
        self.market.choose(Selection((BITCOIN, COIN, LAST)))
        self.bars = {name: market(number, FULL_BARS) for number, name in enumerate((BITCOIN, COIN, LAST))}
        for name, bars in self.bars.items():
            self.market.coins[name].windows.load({"5m": bars[:, :HELD]})
            self.market.set_loaded(name)
        self.close = self.market.coins[COIN].windows.last_close + SCAN_MS
        self.market.aim(self.close)
        self.service = Service("fetcher", Environment(), MemoryBus())
        self.clock, self.sentiment = ExchangeClock(0), Index("")
        self.packer = SnapshotPacker(self.service, self.market, self.clock, self.exchange, self.sentiment)

    def bar(self, symbol: str) -> Floats:
        return self.bars[symbol][:, HELD]

    def closed(self, *symbols: str) -> None:
        """Let the bars of *symbols* come."""
        for symbol in symbols:
            self.market.offer(symbol, self.bar(symbol))

    def expected(self, symbol: str) -> MarketSnapshot:
        """Return the snapshot of now."""
        return handler.snapshot(
            self.market.coins[symbol],
            handler.bitcoin_bars(self.market.coins, BITCOIN, self.close),
            self.close,
            settings_version=self.service.settings.version,
            sentiment=self.sentiment.newest,
            depth_ms=handler.DEPTH_MS if self.clock.speed <= 1 else SCAN_MS,
            unavailable=self.exchange.capabilities.unavailable,
        )


LISTED = Instrument("", 0.01, 0, True)


def test_coins_are_packed_one_at_a_time_while_others_are_awaited() -> None:
    """Each once, and only those whose bar is in; with the last bar in, the scan opens and packs the rest."""
    fetching = Fetching()
    assert not fetching.packer.pack_ahead()
    fetching.closed(BITCOIN, COIN)
    assert [fetching.packer.pack_ahead() for _ in range(3)] == [True, True, False]
    fetching.closed(LAST)
    assert not fetching.packer.pack_ahead()


def test_nothing_is_packed_before_bitcoins_bar() -> None:
    """Every snapshot has its closes."""
    fetching = Fetching()
    fetching.closed(COIN)
    assert not fetching.packer.pack_ahead()


def test_what_was_packed_ahead_is_published() -> None:
    """It is the same as if it had been made now, and it is not made twice."""
    fetching = Fetching()
    fetching.closed(BITCOIN, COIN)
    while fetching.packer.pack_ahead():
        pass
    packed = fetching.packer.pack(COIN, fetching.close)
    assert packed.read() == fetching.expected(COIN)
    assert packed.read().btc_close
    assert fetching.packer.pack(COIN, fetching.close) is packed
    fetching.packer.forget()
    assert fetching.packer.pack(COIN, fetching.close) is not packed


def test_what_was_packed_of_a_close_that_was_left_out_is_dropped() -> None:
    """The next one's coins are packed, each of them."""
    fetching = Fetching()
    fetching.closed(BITCOIN, COIN)
    assert fetching.packer.pack_ahead()
    assert fetching.packer.pack_ahead()
    fetching.closed(LAST)
    fetching.market.aim(fetching.close + SCAN_MS)
    for symbol in (BITCOIN, COIN):
        bar = fetching.bar(symbol).copy()
        bar[0] += SCAN_MS
        fetching.market.offer(symbol, bar)
    assert [fetching.packer.pack_ahead() for _ in range(3)] == [True, True, False]
    assert fetching.packer.pack(COIN, fetching.close + SCAN_MS).read().scan_id == fetching.close + SCAN_MS


def revise(symbol: str) -> Callable[[Fetching], None]:
    """Return what makes the exchange revise the newest bar of *symbol*."""

    def change(fetching: Fetching) -> None:
        bar = fetching.bar(symbol).copy()
        bar[4] = bar[2]  # the close
        fetching.market.offer(symbol, bar)

    return change


def take_derivatives(fetching: Fetching) -> None:
    times = np.array([fetching.close - SCAN_MS], dtype=np.float64)
    fetching.market.coins[COIN].derivatives.open_interest.merge(times, np.array([5e6]))


def take_mark(fetching: Fetching) -> None:
    fetching.market.coins[COIN].derivatives.observe(MarkPrice(fetching.close - SCAN_MS, 100.0, 100.0, 0.0002))


def take_depth(fetching: Fetching) -> None:
    fetching.market.coins[COIN].depth = Depth(at=fetching.close - 1_000, bids=b"", asks=b"")


def take_sentiment(fetching: Fetching) -> None:
    fetching.sentiment.shown = Sentiment(value=40, label="Fear", at=1, fetched_at=2)


def list_anew(fetching: Fetching) -> None:
    coin = fetching.market.coins[COIN]
    coin.instrument = replace(coin.instrument, tick_size=0.5)


def change_settings(fetching: Fetching) -> None:
    fetching.service.settings.take(SettingsChanged(version=7, value={}, at=0))


def quarantine(fetching: Fetching) -> None:
    fetching.market.coins[COIN].windows.distrusted[fetching.close - SCAN_MS] = "wick"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(revise(COIN), id="its bar"),
        pytest.param(revise(BITCOIN), id="Bitcoin's bar"),
        *(take_derivatives, take_mark, take_depth, take_sentiment, list_anew, change_settings, quarantine),
    ],
)
def test_a_snapshot_that_would_be_another_one_now_is_made_anew(change: Callable[[Fetching], None]) -> None:
    """Whatever it is made of may change between the packing and the opening."""
    fetching = Fetching()
    fetching.closed(BITCOIN, COIN)
    before = fetching.packer.pack(COIN, fetching.close)
    change(fetching)
    after = fetching.packer.pack(COIN, fetching.close)
    assert after.read() == fetching.expected(COIN)
    assert after.read() != before.read()
