"""Bars as columns of a matrix: what can be one, and the longer ones that they make up."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from shared.contracts import COLUMNS, INTERVALS, Floats, Interval

OPEN_TIME, OPEN, HIGH, LOW, CLOSE, VOLUME, QUOTE_VOLUME, TAKER = range(len(COLUMNS))


class Taken(StrEnum):
    """What became of a bar that was offered."""

    APPENDED = "appended"
    DUPLICATE = "duplicate"
    REVISED = "revised"
    OLD = "old"  #: before the window
    GAP = "gap"  #: bars are missing between the window and this one: not taken
    NOT_FINITE = "not finite"
    INCONSISTENT = "inconsistent"  #: not positive, high below low, off the five-minute grid
    QUARANTINED = "quarantined"  #: taken, and its symbol distrusted


def flaw(bar: Floats, interval: Interval = "5m") -> Taken | None:
    """Return why *bar* (one column, as `COLUMNS`) cannot be a bar; None when it can."""
    if not np.isfinite(bar).all():
        return Taken.NOT_FINITE
    prices = bar[OPEN : CLOSE + 1]
    if prices.min() <= 0 or bar[HIGH] < prices.max() or bar[LOW] > prices.min():
        return Taken.INCONSISTENT
    if bar[VOLUME] < 0 or bar[QUOTE_VOLUME] < 0 or bar[TAKER] < 0 or bar[OPEN_TIME] % INTERVALS[interval]:
        return Taken.INCONSISTENT
    return None


def sound(matrix: Floats, interval: Interval) -> Floats:
    """Return the columns of *matrix* that can be bars, in order of time, each time once (the last given)."""
    prices = matrix[OPEN : CLOSE + 1]
    good = np.isfinite(matrix).all(axis=0) & (prices.min(axis=0) > 0)
    good &= (matrix[HIGH] >= prices.max(axis=0)) & (matrix[LOW] <= prices.min(axis=0))
    good &= (matrix[VOLUME:].min(axis=0) >= 0) & (matrix[OPEN_TIME] % INTERVALS[interval] == 0)
    kept = matrix[:, good]
    if kept.shape[1] > 1 and (np.diff(kept[OPEN_TIME]) <= 0).any():
        _, last = np.unique(kept[OPEN_TIME][::-1], return_index=True)
        kept = kept[:, kept.shape[1] - 1 - last]
    return kept


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
