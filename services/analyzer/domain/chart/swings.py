"""Swing points: the bars that turned the market, known only once they are confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import Series, talib

REACH: Final = 3  #: bars on each side that must be lower (higher); so many bars later it is confirmed
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Swings:
    """Confirmed swing points of a window, oldest first."""

    high_at: Indices
    low_at: Indices
    highs: Series  #: their prices
    lows: Series


def find_swings(window: Window, *, closed: int | None = None) -> Swings:
    """Return the bars that are the highest (lowest) of `REACH` bars before and after; the first of equals.

    Only the first *closed* bars are looked at; None: all.
    """
    high_at = _peaks(window.high[:closed])
    low_at = _peaks(-window.low[:closed])
    return Swings(high_at, low_at, window.high[high_at], window.low[low_at])


def _peaks(values: Series) -> Indices:
    highest = talib.MAX(values, REACH)
    before, centre, after = highest[REACH - 1 : -REACH - 1], values[REACH:-REACH], highest[2 * REACH :]
    found: Indices = ((centre > before) & (centre >= after)).nonzero()[0]
    return found + REACH


def structure(swings: Swings) -> float:
    """Return +1 where the last two confirmed highs and lows both rise, −1 where both fall, else 0."""
    highs, lows = _turn(swings.highs), _turn(swings.lows)
    return highs if highs == lows else 0.0


def _turn(prices: Series) -> float:
    before, last = prices[-2:].tolist() if len(prices) > 1 else (0.0, 0.0)
    return float(last > before) - float(last < before)


def structure_at(swings: Swings, bars: Indices) -> Series:
    """Return the `structure` that was known at each of *bars*."""
    highs = _turns_at(swings.high_at, swings.highs, bars)
    lows = _turns_at(swings.low_at, swings.lows, bars)
    return np.where(highs == lows, highs, 0.0)


def _turns_at(at: Indices, prices: Series, bars: Indices) -> Series:
    """Return at each of *bars* the sign of the last confirmed swing's difference to the one before."""
    signs = np.concatenate(((0.0, 0.0), np.sign(prices[1:] - prices[:-1])))  # by how many are confirmed
    known: Series = signs[at.searchsorted(bars - REACH, side="right")]
    return known
