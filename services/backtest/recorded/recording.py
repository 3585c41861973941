"""One coin's recorded bars as the running services would have received them, and its settled funding.

The bars, and what a recording lacks, are made by the replay's own rule (services/simulator/market/replay.py), so that a
lockstep demo over the same files sees the same market.  A price's tick is read off the whole recording.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from services.backtest.recorded.observed import Flags, Observed, Settlements, observed
from services.fetcher.domain.bars import OPEN_TIME
from services.simulator.instruments import Contract
from services.simulator.market.replay import MONTHS, RecordedMarket, recordings
from services.simulator.market.tape import (
    CLOSE,
    FUNDING,
    OPEN,
    OPEN_INTEREST,
    QUOTE,
    TAKER,
    TAKER_QUOTE,
    VOLUME,
    NoBarsError,
    aggregate,
)
from shared.contracts import HOUR_MS, INTERVALS, SCAN_MS, Floats, Interval

MINUTE_MS: Final = 60_000
BITCOIN: Final = "BTCUSDT"
ROWS: Final = (
    *range(OPEN, VOLUME + 1),
    QUOTE,
    TAKER,
)  #: of the replay's bars, as in `COLUMNS` after the time
FUNDING_COLUMNS: Final = ("symbol", "funding_time", "funding_rate")
ESTIMATED_HOURS: Final = 8  #: the replay's contracts settle every eight hours, the longest interval


class FundingFileError(ValueError):
    """A file that holds no settlements."""


@dataclass(frozen=True)
class CoinHistory:
    """A coin's bars on a grid of five minutes, NaN where there is none."""

    symbol: str
    tick: float
    genesis: int  #: opening of the first column, a UTC midnight
    bars: dict[Interval, Floats]  #: (8, n) by interval, rows as in `COLUMNS`; holes are NaN
    derivatives: Floats  #: (5, n five-minute bars): what was true at each close; funding per eight hours
    estimated: tuple[str, ...]
    observed: Observed
    settlements: Settlements | None = None  #: None: estimated with the rest
    end: int = field(init=False)  #: close of the last bar

    def __post_init__(self) -> None:
        there = np.flatnonzero(np.isfinite(self.five[CLOSE + 1]))
        object.__setattr__(self, "end", self.genesis + (int(there[-1]) + 1) * SCAN_MS)

    @property
    def five(self) -> Floats:
        """The five-minute bars."""
        return self.bars["5m"]

    @property
    def first(self) -> int:
        """Opening of the first bar."""
        return self.genesis + int(np.isfinite(self.five[CLOSE + 1]).argmax()) * SCAN_MS

    @cached_property
    def settled_lately(self) -> Flags:
        """Whether at each scan, by `column`, the last settlement and the one before are known and it still holds."""
        if self.settlements is None:
            return np.zeros(self.five.shape[1] + 1, dtype=np.bool_)
        seen = self.genesis + (np.arange(self.five.shape[1] + 1) - 1) * float(SCAN_MS)
        ends = np.searchsorted(self.settlements.at, seen, side="right")
        age = seen - self.settlements.at[np.maximum(ends, 1) - 1]
        return np.asarray((ends > 1) & (age < ESTIMATED_HOURS * HOUR_MS))

    def column(self, scan_id: int) -> int:
        """Return the column after the bar that closes at *scan_id*."""
        return (scan_id - self.genesis) // SCAN_MS

    def has_bar(self, scan_id: int) -> bool:
        """Return whether the bar that closes at *scan_id* is recorded."""
        column = self.column(scan_id)
        return 0 < column <= self.five.shape[1] and bool(np.isfinite(self.five[CLOSE + 1, column - 1]))


def load(folder: Path, symbol: str, settlements: Settlements | None = None) -> CoinHistory:
    """Return the history of *symbol*; raises `NoBarsError` with a sentence where its file cannot be used.

    *settlements* take the place of those that a history has.
    """
    market = _market(folder, symbol)
    found = observed(recordings(folder)[symbol], market.genesis, market.bars.shape[2])
    contract = market.contracts[0]
    bars = _as_written(market.bars, contract)
    return CoinHistory(
        symbol=symbol,
        tick=float(f"{contract.tick:.12f}"),
        genesis=market.genesis,
        bars={name: _matrix(bars, name, market.genesis) for name in INTERVALS},
        derivatives=_as_sent(market.derivatives()[:, 0]),
        estimated=market.estimated,
        observed=found,
        settlements=settlements or found.settlements,
    )


def five_minute_bars(folder: Path, symbol: str) -> Floats:
    """Return the bars that `load` has as `five`, and nothing else; raises as it does."""
    market = _market(folder, symbol)
    return _matrix(_as_written(market.bars, market.contracts[0]), "5m", market.genesis)


def bitcoin_bars(folder: Path) -> Floats:
    """Return Bitcoin's five-minute bars without holes, shape (8, n); every coin of a folder is compared with them."""
    path = recordings(folder)[BITCOIN]
    files = [path] if path.is_file() else sorted(path.glob(MONTHS))
    return _bitcoin_bars(folder, tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@lru_cache(maxsize=1)
def _bitcoin_bars(folder: Path, _files: object) -> Floats:
    bars = five_minute_bars(folder, BITCOIN)
    return bars[:, np.isfinite(bars[CLOSE + 1])]


def _market(folder: Path, symbol: str) -> RecordedMarket:
    try:
        return RecordedMarket(folder, 1, only=(symbol,))
    except NoBarsError:
        raise
    except (ValueError, OSError) as error:
        raise NoBarsError(f"the bars of {symbol} cannot be read: {error}") from error


def _as_written(bars: Floats, contract: Contract) -> Floats:
    """Return *bars* with the decimals that the exchange writes."""
    written = bars.copy()
    written[OPEN : CLOSE + 1] = np.round(bars[OPEN : CLOSE + 1], contract.price_decimals)
    for row in (VOLUME, TAKER):
        written[row] = np.round(bars[row], contract.quantity_decimals)
    for row in (QUOTE, TAKER_QUOTE):
        written[row] = np.round(bars[row], contract.quote_decimals)
    return written


def _matrix(bars: Floats, interval: Interval, genesis: int) -> Floats:
    """Return the bars of *interval* that *bars*, shape (9, 1, n), make up, rows as in `COLUMNS`."""
    width = INTERVALS[interval] // SCAN_MS
    wide = bars if width == 1 else aggregate(bars, width)
    matrix = np.empty((len(ROWS) + 1, wide.shape[2]))
    matrix[OPEN_TIME] = genesis + np.arange(wide.shape[2]) * float(INTERVALS[interval])
    matrix[1:] = wide[list(ROWS), 0]
    return matrix


def _as_sent(derivatives: Floats) -> Floats:
    """Return *derivatives* as the replay's exchange sends them: kept as float32, written with few decimals."""
    sent = derivatives.astype(np.float32).astype(np.float64)
    decimals = np.full(len(sent), 4)
    decimals[[OPEN_INTEREST, FUNDING]] = 8
    return np.array([np.round(row, places) for row, places in zip(sent, decimals.tolist(), strict=True)])


def read_funding(path: Path) -> dict[str, Settlements]:
    """Return the settlements of every symbol in *path*: parquet or CSV with symbol, funding_time, funding_rate.

    Raises `FundingFileError` with a sentence.
    """
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise FundingFileError(f"{path}: no funding can be read from it ({error})") from error
    if missing := [name for name in FUNDING_COLUMNS if name not in frame]:
        raise FundingFileError(f"{path}: no column {', '.join(missing)}; wanted are {', '.join(FUNDING_COLUMNS)}")
    found = {}
    for symbol, rows in frame.sort_values("funding_time").groupby("symbol"):
        at = rows["funding_time"].to_numpy(np.float64) // MINUTE_MS * MINUTE_MS
        found[str(symbol)] = Settlements(at, rows["funding_rate"].to_numpy(np.float64))
    return found
