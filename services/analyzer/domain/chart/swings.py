"""Swing points: the bars that turned the market, known only once they are confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import NewPlaces, NewSeries, Places, Series
from shared.kernels import kernel

REACH: Final = 3  #: bars on each side that must be lower (higher); so many bars later it is confirmed
Indices = Places


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
    count = len(window) if closed is None else closed
    high_at, highs = _peaks(window.high, 1.0, count)
    low_at, lows = _peaks(window.low, -1.0, count)
    return Swings(high_at, low_at, highs, lows)


def _peaks(prices: Series, sign: float, closed: int) -> tuple[Indices, Series]:
    """Return where *prices* turn down (up, where *sign* is −1), and the prices there."""
    places, found = np.empty(closed, dtype=np.intp), np.empty(closed)
    count = fill_peaks(prices, sign, closed, places, found)
    return places[:count], found[:count]


@kernel
def fill_peaks(prices: Series, sign: float, closed: int, places: NewPlaces, found: NewSeries) -> int:
    """Fill *places* and *found* with the bars that turn *prices*, and the prices there; return how many they are."""
    count = 0
    for at in range(REACH, closed - REACH):
        price, turns = sign * prices[at], True
        for step in range(1, REACH + 1):
            if sign * prices[at - step] >= price or sign * prices[at + step] > price:
                turns = False
                break
        if turns:
            places[count] = at
            found[count] = prices[at]
            count += 1
    return count


def structure(swings: Swings) -> float:
    """Return +1 where the last two confirmed highs and lows both rise, −1 where both fall, else 0."""
    highs, lows = _turn(swings.highs), _turn(swings.lows)
    return highs if highs == lows else 0.0


def _turn(prices: Series) -> float:
    before, last = prices[-2:].tolist() if len(prices) > 1 else (0.0, 0.0)
    return float(last > before) - float(last < before)


def structure_at(swings: Swings, bars: Indices) -> Series:
    """Return the `structure` that was known at each of *bars*."""
    points = (swings.high_at, swings.highs, swings.low_at, swings.lows)
    return np.array([known_structure(*points, bar) for bar in bars.tolist()])


@kernel
def known_turn(at: Places, prices: Series, bar: int) -> float:
    """Return the sign of the difference between the last two swings that were confirmed at *bar*; 0 before two were."""
    known = len(at)
    while known > 0 and at[known - 1] + REACH > bar:
        known -= 1
    if known < 2 or prices[known - 1] == prices[known - 2]:
        return 0.0
    return 1.0 if prices[known - 1] > prices[known - 2] else -1.0


@kernel
def known_structure(high_at: Places, highs: Series, low_at: Places, lows: Series, bar: int) -> float:
    """Return the `structure` that was known at *bar*."""
    turned = known_turn(high_at, highs, bar)
    return turned if turned == known_turn(low_at, lows, bar) else 0.0
