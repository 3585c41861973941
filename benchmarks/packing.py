"""What is left for the fetcher to do after a close's last bar: with coins packed as their bars came, and without.

Run: ``python -m benchmarks.packing [--symbols 150]``.  Processor time of this process, the median of some closes.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from types import SimpleNamespace
from typing import Any

from benchmarks.bus import END, bars
from services.fetcher.domain.bars import OPEN_TIME
from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.market_state import Market
from services.fetcher.domain.universe import Selection
from services.fetcher.exchange import Capabilities
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.fear_greed import FearAndGreed
from services.fetcher.scan.packer import SnapshotPacker
from shared.bus import RedisBus
from shared.config.environment import Environment
from shared.contracts import FULL_BARS, INTERVALS, SCAN_MS, Floats
from shared.runtime.service import Service

CLOSES = 7


def market_of(symbols: list[str]) -> Market:
    """Return a market whose windows are full."""
    market = Market()
    market.learn({name: Instrument(name, 0.0001, 0, True) for name in symbols})
    market.choose(Selection(tuple(symbols)))
    for number, name in enumerate(symbols):
        market.coins[name].windows.load({kind: bars(kind, number, FULL_BARS) for kind in INTERVALS})
        market.set_loaded(name)
    return market


def next_bar(market: Market, symbol: str) -> Floats:
    """Return a bar like the newest one of *symbol*, for the next close."""
    bar = market.coins[symbol].windows.windows["5m"].bars[:, -1].copy()
    bar[OPEN_TIME] += SCAN_MS
    return bar


def left_to_do(market: Market, packer: SnapshotPacker, *, ahead: bool) -> float:
    """Let the bars of the next close come; return the seconds from the last one to the last packed snapshot."""
    symbols = market.selection.symbols
    close = market.coins[symbols[0]].windows.last_close + SCAN_MS
    market.aim(close)
    for symbol in symbols:
        began = time.process_time()
        market.offer(symbol, next_bar(market, symbol))
        while ahead and packer.pack_ahead():
            pass
    for symbol in symbols:
        packer.pack(symbol, close)
    packer.forget()
    return time.process_time() - began


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=150)
    symbols = [f"C{number}USDT" for number in range(parser.parse_args().symbols)]
    market, service = market_of(symbols), Service("fetcher", Environment(), RedisBus("redis://127.0.0.1:1"))
    exchange: Any = SimpleNamespace(
        capabilities=Capabilities(name="none", bitcoin=symbols[0], longest_request=1, cheap_request=1)
    )
    packer = SnapshotPacker(service, market, ExchangeClock(END), exchange, FearAndGreed(""))
    rounds = [(left_to_do(market, packer, ahead=False), left_to_do(market, packer, ahead=True)) for _ in range(CLOSES)]
    after, before = (median(each) * 1_000 for each in zip(*rounds, strict=True))
    print(f"{len(symbols)} coins of {FULL_BARS} bars: {after:.0f} ms, packed as they came {before:.1f}")


if __name__ == "__main__":
    main()
