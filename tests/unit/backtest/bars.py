"""Generated recordings: a few days of the seeded market as files, as a person would bring them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from services.simulator.market.seeded import HISTORY_DAYS, SeededMarket
from services.simulator.market.tape import CLOSE, HIGH, LOW, OPEN, QUOTE, TAKER, VOLUME
from shared.contracts import DAY_MS, SCAN_MS

START = 1_756_684_800_000  #: 2025-09-01
LEAD = 84  #: days of the market before that
COLUMNS = {
    "open": OPEN,
    "high": HIGH,
    "low": LOW,
    "close": CLOSE,
    "volume": VOLUME,
    "quote_volume": QUOTE,
    "taker_buy_volume": TAKER,
}


@cache
def frames(coins: int, days: int, seed: int = 11) -> Mapping[str, pd.DataFrame]:
    """Return the bars of *coins* coins over *days* days from `START` on, by symbol; do not change them."""
    market = SeededMarket(coins, seed, START + (HISTORY_DAYS - LEAD) * DAY_MS)
    parts = [market.day(number).bars for number in range(LEAD + days)][LEAD:]
    bars = np.concatenate(parts, axis=2)
    times = START + np.arange(bars.shape[2]) * SCAN_MS
    return {
        contract.symbol: pd.DataFrame(
            {"open_time": times} | {name: bars[row, contract.row] for name, row in COLUMNS.items()}
        )
        for contract in market.contracts
    }


def write(folder: Path, recordings: Mapping[str, pd.DataFrame], *, lacking: tuple[str, ...] = ()) -> Path:
    """Write each recording as SYMBOL.parquet in *folder*, without the columns *lacking*; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for symbol, frame in recordings.items():
        frame.drop(columns=list(lacking)).to_parquet(folder / f"{symbol}.parquet")
    return folder
