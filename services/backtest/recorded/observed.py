"""What a history has beside bars: open interest, long/short ratios and settled funding, as they were observed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from services.fetcher.domain.derivatives import HELD_POINTS
from services.simulator.market.replay import MONTHS
from services.simulator.market.tape import GLOBAL_RATIO, OPEN_INTEREST, TOP_RATIO, NoBarsError
from shared.contracts import SCAN_MS, Floats

COLUMNS: Final = ("open_interest", "global_ratio", "top_ratio")  #: of a history's files
POINTS: Final = (OPEN_INTEREST, GLOBAL_RATIO, TOP_RATIO)  #: their rows among the replay's derivatives
SETTLED: Final = "funding_settled"
LEAST: Final = HELD_POINTS // 2  #: points of the day before a scan; with fewer all of them are estimated
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Settlements:
    """What was settled of one coin, oldest first."""

    at: Floats  #: ms; a settlement is stamped some milliseconds late, which is taken off
    rate: Floats  #: per interval


@dataclass(frozen=True)
class Observed:
    """What was observed of one coin, on the grid of its bars."""

    points: Floats  #: (3, n), rows as in `COLUMNS`: what was true at each bar's close, NaN where that is not known
    settlements: Settlements | None = None

    @cached_property
    def enough(self) -> Flags:
        """Whether the points before each column, shape (3, n + 1), are enough to be used: a mixture never is."""
        there = np.isfinite(self.points)
        sums = np.concatenate((np.zeros((len(POINTS), 1), np.int64), np.cumsum(there, axis=1)), axis=1)
        back = np.maximum(np.arange(sums.shape[1]) - HELD_POINTS, 0)
        return np.asarray(sums - sums[:, back] >= LEAST)


def nothing(count: int) -> Observed:
    """Return what is known of *count* bars without observations."""
    return Observed(np.full((len(POINTS), count), np.nan))


def observed(path: Path, genesis: int, count: int) -> Observed:
    """Return what *path*, a coin's folder in a history, has of *count* bars from *genesis* on; raises `NoBarsError`.

    A row's time is the moment of its figures.
    """
    found = nothing(count)
    settled = [pd.DataFrame({"open_time": [], SETTLED: []}, dtype=np.float64)]
    for month in sorted(path.glob(MONTHS)) if path.is_dir() else ():
        frame = _read(month)
        columns = ((frame["open_time"].to_numpy(np.int64) - genesis) // SCAN_MS - 1).astype(np.int64)
        inside = (columns >= 0) & (columns < count)
        for row, name in enumerate(COLUMNS):
            if name in frame:
                values = frame[name].to_numpy(np.float64)[inside]
                found.points[row, columns[inside]] = np.where(values > 0, values, np.nan)
        if SETTLED in frame:
            settled.append(frame[["open_time", SETTLED]].dropna().astype(np.float64))
    funding = pd.concat(settled)
    if funding.empty:
        return found
    return Observed(found.points, Settlements(funding["open_time"].to_numpy(), funding[SETTLED].to_numpy()))


def _read(path: Path) -> pd.DataFrame:
    try:
        there = set(pq.read_schema(path).names)
        return pd.read_parquet(path, columns=[name for name in ("open_time", *COLUMNS, SETTLED) if name in there])
    except (ValueError, OSError) as error:
        raise NoBarsError(f"{path}: it cannot be read ({error})") from error
