"""Bars as columns of a matrix: validation, and aggregation to longer bars."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from shared.contracts import COLUMNS, INTERVALS, Floats, Interval
from shared.klines import sound as can_be_bars

Flags = npt.NDArray[np.bool_]

OPEN_TIME, OPEN, HIGH, LOW, CLOSE, VOLUME, QUOTE_VOLUME, TAKER = range(len(COLUMNS))


class BarResult(StrEnum):
    """The result of offering a bar to a window."""

    APPENDED = "appended"
    DUPLICATE = "duplicate"
    REVISED = "revised"
    OLD = "old"  #: before the window
    GAP = "gap"  #: bars are missing between the window and this one: not taken
    NOT_FINITE = "not finite"
    INCONSISTENT = "inconsistent"  #: not positive, high below low, off the interval's grid
    QUARANTINED = "quarantined"  #: taken, and its symbol quarantined


def flaw(bar: Floats, interval: Interval = "5m") -> BarResult | None:
    """Return why *bar* (one column, as `COLUMNS`) cannot be a bar; None when it can."""
    if not _finite(bar[:, np.newaxis], interval)[0]:
        return BarResult.NOT_FINITE
    return None if _consistent(bar[:, np.newaxis], interval)[0] else BarResult.INCONSISTENT


def sound(matrix: Floats, interval: Interval) -> Floats:
    """Return the columns of *matrix* that can be bars, in order of time, each time once (the last given)."""
    kept = matrix[:, _finite(matrix, interval) & _consistent(matrix, interval)]
    if kept.shape[1] > 1 and (np.diff(kept[OPEN_TIME]) <= 0).any():
        _, last = np.unique(kept[OPEN_TIME][::-1], return_index=True)
        kept = kept[:, kept.shape[1] - 1 - last]
    return kept


def _finite(matrix: Floats, interval: Interval) -> Flags:
    """Whether each bar's values are numbers.

    Taker volume is NaN where the exchange does not publish it, the quote volume of higher bars where they come from a
    snapshot, which has none.
    """
    needed = matrix[:TAKER] if interval == "5m" else matrix[:QUOTE_VOLUME]
    return np.asarray(np.isfinite(needed).all(axis=0) & ~np.isinf(matrix[QUOTE_VOLUME:]).any(axis=0))


def _consistent(matrix: Floats, interval: Interval) -> Flags:
    """Whether each bar's values go together."""
    volumes = ~(matrix[QUOTE_VOLUME:] < 0).any(axis=0)
    return np.asarray(can_be_bars(matrix) & volumes & (matrix[OPEN_TIME] % INTERVALS[interval] == 0))


def aggregate(bars: Floats, bucket: int) -> Floats:
    """Return the bar opening at *bucket* that the shorter *bars*, shape (8, n ≥ 1), make up."""
    return np.array(
        [
            bucket,
            bars[OPEN, 0],
            bars[HIGH].max(),
            bars[LOW].min(),
            bars[CLOSE, -1],
            bars[VOLUME].sum(),
            bars[QUOTE_VOLUME].sum(),
            bars[TAKER].sum(),
        ]
    )


def resample(bars: Floats, source: Interval, target: Interval) -> Floats:
    """Return the bars of *target* that the bars of *source*, shape (8, n), make up whole."""
    length = INTERVALS[target]
    buckets = bars[OPEN_TIME] - bars[OPEN_TIME] % length
    starts, counts = np.unique(buckets, return_counts=True)
    whole = starts[counts == length // INTERVALS[source]]
    made = [aggregate(bars[:, buckets == start], start) for start in whole]
    return np.array(made).T if made else np.empty((len(COLUMNS), 0))


def wicks(bars: Floats, share: float) -> Floats:
    """Return the open times of those *bars* that reach further than *share* beyond the close before them."""
    before = bars[CLOSE, :-1]
    beyond = (bars[LOW, 1:] < before * (1 - share)) | (bars[HIGH, 1:] > before / (1 - share))
    return bars[OPEN_TIME, 1:][beyond]
