"""The messages of a scan, from the market's state: pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from services.fetcher.domain.bars import CLOSE, OPEN_TIME, QUOTE_VOLUME, VOLUME
from services.fetcher.domain.derivatives import SymbolDerivatives
from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.symbol_windows import SymbolWindows
from shared.contracts import (
    SCAN_MS,
    Bars,
    Depth,
    Floats,
    MarketInput,
    MarketSnapshot,
    ScanOpened,
    Sentiment,
    pack,
)

DEPTH_MS: Final = 20_000  #: how long before the close a book may have been taken
MOST: Final = 0.5  #: a fault of this share of the symbols makes the whole scan degraded


@dataclass
class Coin:
    """The state of one symbol."""

    instrument: Instrument
    windows: SymbolWindows
    derivatives: SymbolDerivatives = field(default_factory=SymbolDerivatives)
    depth: Depth | None = None
    absent: str = ""  #: why it has no bars; `Market` alone writes it


def open_scan(
    coins: Mapping[str, Coin],
    symbols: Sequence[str],
    scan_id: int,
    *,
    settings_version: int,
    now: int,
    degraded: str = "",
) -> ScanOpened:
    """Return the scan's opening: its symbols, and the missing ones with their reasons."""
    missing = {symbol: why for symbol in symbols if (why := why_missing(coins.get(symbol), scan_id))}
    present = tuple(symbol for symbol in symbols if symbol not in missing)
    return ScanOpened(
        scan_id=scan_id,
        symbols=present,
        settings_version=settings_version,
        opened_at=now,
        missing=missing,
        degraded=degraded or _degraded(coins, symbols, present, scan_id),
    )


def why_missing(coin: Coin | None, scan_id: int) -> str:
    """Return why a symbol cannot be in the scan; empty when it can."""
    if coin is None:
        return "not loaded"
    if not coin.instrument.tradable:
        return "not trading"
    if coin.windows.windows["5m"].position(scan_id - SCAN_MS) is None:
        return coin.absent or "late bar"
    return ""


def _degraded(coins: Mapping[str, Coin], symbols: Sequence[str], present: Sequence[str], scan_id: int) -> str:
    """Return why the whole scan is unsound; empty when it is not."""
    if not symbols or len(present) <= len(symbols) * (1 - MOST):
        return "exchange gap"
    broken = 0
    for symbol in present:
        window = coins[symbol].windows.windows["5m"]
        broken += window.has_gap() or bool(window.before(scan_id)[VOLUME, -1] == 0)
    return "exchange gap" if broken > len(present) * MOST else ""


def snapshot(
    coin: Coin,
    bitcoin: Floats,
    scan_id: int,
    *,
    settings_version: int,
    record_version: int = 0,
    sentiment: Sentiment | None,
    depth_ms: int = DEPTH_MS,
    unavailable: tuple[MarketInput, ...] = (),
) -> MarketSnapshot:
    """Return one symbol as of *scan_id*; *bitcoin* is Bitcoin's 5m window cut there."""
    bars = coin.windows.cut(scan_id)
    estimated = coin.instrument.estimated
    depth = coin.depth if coin.depth is not None and scan_id - depth_ms < coin.depth.at <= scan_id else None
    return MarketSnapshot(
        symbol=coin.instrument.symbol,
        scan_id=scan_id,
        settings_version=settings_version,
        tick_size=coin.instrument.tick_size,
        bars={
            interval: Bars.of(interval, matrix if interval == "5m" else _without_turnover(matrix))
            for interval, matrix in bars.items()
        },
        btc_close=aligned(bitcoin, bars["5m"][OPEN_TIME]),
        derivatives=coin.derivatives.cut(scan_id, estimated="derivatives" in estimated),
        depth=depth,
        sentiment=sentiment,
        problems=coin.windows.problems(scan_id, bars),
        estimated=estimated,
        unavailable=unavailable,
        record_version=record_version,
    )


def _without_turnover(bars: Floats) -> Floats:
    """Return *bars* without their quote volume, which is read of the five-minute bars alone."""
    known = bars.copy()
    known[QUOTE_VOLUME] = np.nan
    return known


def aligned(bitcoin: Floats, times: Floats) -> bytes:
    """Return BTC's closes at *times*, packed; empty unless all of them are held."""
    if not bitcoin.shape[1] or not times.size:
        return b""
    columns = np.searchsorted(bitcoin[OPEN_TIME], times)
    if columns[-1] >= bitcoin.shape[1] or not np.array_equal(bitcoin[OPEN_TIME, columns], times):
        return b""
    return pack(bitcoin[CLOSE, columns])


def bitcoin_bars(coins: Mapping[str, Coin], bitcoin: str, scan_id: int) -> Floats:
    """Return the five-minute bars of *bitcoin* at *scan_id*; none where it is not held."""
    coin = coins.get(bitcoin)
    return np.empty((8, 0)) if coin is None else coin.windows.windows["5m"].before(scan_id)
