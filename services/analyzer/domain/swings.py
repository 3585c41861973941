"""Swing points: the bars that turned the market, known only once they are confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.numeric import Series, talib
from services.analyzer.domain.window import Window

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
    around = talib.MAX(values, 2 * REACH + 1)[2 * REACH :]
    before = talib.MAX(values, REACH)[REACH - 1 : -REACH - 1]
    centre = values[REACH:-REACH]
    found: Indices = ((centre == around) & (centre > before)).nonzero()[0]
    return found + REACH


def structure(window: Window, swings: Swings) -> Series:
    """Return at each bar +1 where the last two confirmed highs and lows both rise, −1 where both fall, else 0."""
    highs = _rising(swings.high_at, swings.highs, len(window))
    lows = _rising(swings.low_at, swings.lows, len(window))
    return np.where(highs == lows, highs, 0.0)


def _rising(at: Indices, prices: Series, length: int) -> Series:
    """Return at each bar the sign of the last confirmed swing's difference to the one before."""
    signs = np.zeros(length)
    if len(at) < 2:
        return signs
    known = at[1:] + REACH
    ends = np.concatenate((known[1:], (length,)))
    signs[known[0] :] = np.sign(prices[1:] - prices[:-1]).repeat(ends - known)
    return signs
