"""Hurst exponent by detrended fluctuation analysis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from services.analyzer.domain.numeric import NewRows, NewSeries, Places, Series
from shared.kernels import kernel

LEAST: Final = 300  #: returns
SMALLEST: Final = 8  #: box
ROUNDING: Final = 1e-12  #: of the largest mean square: what is less is none
BOXES: Final = 12  #: sizes, spread evenly by logarithm up to a quarter of the series
ERROR_AT_500: Final = 0.046  #: standard deviation of the estimate on 500 returns of white noise, by simulation


@lru_cache(maxsize=8)
def _sizes(count: int) -> tuple[int, ...]:
    return tuple(np.unique(np.geomspace(SMALLEST, count // 4, BOXES).astype(int)).tolist())


@lru_cache(maxsize=8)
def _slope_of(count: int) -> Series:
    """Return what turns the logarithms of the mean squares at each size into the slope of their roots' logarithms."""
    x = np.log(_sizes(count))
    weights: Series = 1.0 / np.asarray(_sizes(count))  # large boxes are few: their mean is worth less
    centred = x - weights @ x / weights.sum()
    shares: Series = 0.5 * weights * centred / (weights @ centred**2)
    return shares


@dataclass(frozen=True, slots=True)
class Boxes:
    """Every box of every size, from both ends of a series."""

    starts: Places
    lengths: Places  #: bars in a box
    firsts: Places  #: of each size's boxes
    expected: Series  #: what white noise would leave in all boxes of a size


@lru_cache(maxsize=8)
def _boxes(count: int) -> Boxes:
    """Return the boxes of a series of *count* values."""
    sizes = np.array(_sizes(count))
    boxes = 2 * (count // sizes)
    starts = [np.add.outer((0, count % size), np.arange(0, count - size + 1, size)) for size in sizes]
    return Boxes(
        starts=np.concatenate(starts, None),
        lengths=sizes.repeat(boxes),
        firsts=boxes.cumsum() - boxes,
        expected=boxes * (sizes**2 - 4) / 15.0,
    )


def hurst(returns: Series) -> tuple[float, float] | None:
    """Return the exponent of *returns* and its standard error; None with fewer than 300 or without fluctuation.

    DFA of order 1.  In small boxes the detrending itself takes part of the fluctuation, so each box is divided
    by what white noise would leave, (size² − 4) / (15 size): white noise then reads 0.5 at every size.
    The error is the estimator's own spread, which falls with the square root of the length.
    Source: Peng et al., Physical Review E 49 (1994); the expectation: Höll and Kantz, EPJ B 88 (2015).
    """
    count = len(returns)
    if count < LEAST or np.count_nonzero(returns != returns[0]) == 0:
        return None
    left = _left(np.add.accumulate(returns - np.add.reduce(returns) / count))
    if left.min() <= ROUNDING * left.max():  # at one size every box is a line: a single jump between boxes does that
        return None
    return 0.5 + float(_slope_of(count) @ np.log(left)), ERROR_AT_500 * math.sqrt(500.0 / count)


def _left(profile: Series) -> Series:
    """Return at each size the mean square around lines, over boxes from both ends, against white noise's."""
    boxes = _boxes(len(profile))
    squares = np.empty(len(boxes.starts))
    fill_squares(profile, boxes.starts, boxes.lengths, np.zeros((3, len(profile) + 1)), squares)
    around: Series = np.add.reduceat(squares, boxes.firsts) / boxes.expected
    return around


@kernel
def fill_squares(profile: Series, starts: Places, lengths: Places, sums: NewRows, squares: NewSeries) -> None:
    """Fill *squares* with the sum of squares that each box of *profile* leaves around its line.

    All boxes are read from three running sums: of the values, of the values times their place, and of their squares;
    *sums* has room for them, shape (3, n + 1), and begins with zeros.
    """
    for at in range(len(profile)):
        value = profile[at]
        sums[0, at + 1] = sums[0, at] + value
        sums[1, at + 1] = sums[1, at] + value * at
        sums[2, at + 1] = sums[2, at] + value * value
    for box in range(len(starts)):
        start, end, length = starts[box], starts[box] + lengths[box], float(lengths[box])
        middle, spread = start + (length - 1.0) / 2.0, length * (length * length - 1.0) / 12.0
        level = sums[0, end] - sums[0, start]
        tilt = sums[1, end] - sums[1, start] - middle * level
        square = sums[2, end] - sums[2, start]
        squares[box] = square - (level * level / length + tilt * tilt / spread)
