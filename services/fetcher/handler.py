"""From what is held to the messages of a scan: pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from services.fetcher.bars import CLOSE, OPEN_TIME, VOLUME
from services.fetcher.derivatives import SymbolDerivatives
from services.fetcher.universe import BITCOIN, Instrument
from services.fetcher.windows import SymbolWindows
from shared.contracts import (
    SCAN_MS,
    Bars,
    Depth,
    Floats,
    MarketSnapshot,
    ScanOpened,
    Sentiment,
    pack,
)

DEPTH_MS: Final = 20_000  #: how long before the close a book may have been taken
MOST: Final = 0.5  #: a fault of this share of the symbols is the exchange's, not theirs


@dataclass
class Coin:
    """All that is held of one symbol."""

    instrument: Instrument
    windows: SymbolWindows
    derivatives: SymbolDerivatives = field(default_factory=SymbolDerivatives)
    depth: Depth | None = None
    absent: str = ""  #: why its bars cannot be had


def open_scan(
    coins: Mapping[str, Coin],
    symbols: Sequence[str],
    scan_id: int,
    *,
    settings_version: int,
    now: int,
    degraded: str = "",
) -> ScanOpened:
    """Return the opening of the scan: who is in, who is missing and why."""
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
    """Return why the whole scan is not to be trusted."""
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
    sentiment: Sentiment | None,
    depth_ms: int = DEPTH_MS,
) -> MarketSnapshot:
    """Return one symbol as it stood at *scan_id*; *bitcoin* is BTCUSDT's 5m window cut there."""
    bars = coin.windows.cut(scan_id)
    estimated = coin.instrument.estimated
    depth = coin.depth if coin.depth is not None and scan_id - depth_ms < coin.depth.at <= scan_id else None
    return MarketSnapshot(
        symbol=coin.instrument.symbol,
        scan_id=scan_id,
        settings_version=settings_version,
        tick_size=coin.instrument.tick_size,
        bars={interval: Bars.of(interval, matrix) for interval, matrix in bars.items()},
        btc_close=aligned(bitcoin, bars["5m"][OPEN_TIME]),
        derivatives=coin.derivatives.cut(scan_id, estimated="derivatives" in estimated),
        depth=depth,
        sentiment=sentiment,
        problems=coin.windows.problems(scan_id, bars),
        estimated=estimated,
    )


def aligned(bitcoin: Floats, times: Floats) -> bytes:
    """Return BTC's closes at *times*, packed; empty unless all of them are held."""
    if not bitcoin.shape[1] or not times.size:
        return b""
    columns = np.searchsorted(bitcoin[OPEN_TIME], times)
    if columns[-1] >= bitcoin.shape[1] or not np.array_equal(bitcoin[OPEN_TIME, columns], times):
        return b""
    return pack(bitcoin[CLOSE, columns])


def bitcoin_bars(coins: Mapping[str, Coin], scan_id: int) -> Floats:
    """Return BTCUSDT's five-minute bars at *scan_id*; none where it is not held."""
    coin = coins.get(BITCOIN)
    return np.empty((8, 0)) if coin is None else coin.windows.windows["5m"].before(scan_id)
