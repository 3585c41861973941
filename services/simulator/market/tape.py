"""The market's memory: bars of every interval and the derivatives, in rings, a day at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from services.simulator.instruments import BAR_MS, Contract
from shared.contracts import DAY_MS, HOUR_MS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

OPEN, HIGH, LOW, CLOSE, VOLUME, QUOTE, COUNT, TAKER, TAKER_QUOTE = range(9)
COLUMNS: Final = 9
OPEN_INTEREST, GLOBAL_RATIO, TOP_RATIO, POSITION_RATIO, FUNDING = range(5)
SERIES: Final = 5
BARS_A_DAY: Final = DAY_MS // BAR_MS

INTERVAL_MS: Final[dict[str, int]] = {"5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000}
#: How many bars of each interval are kept, the day ahead included; klines answers at most 1500.
CAPACITY: Final[dict[str, int]] = {"5m": 2_304, "15m": 1_728, "1h": 1_608, "4h": 1_152}
SHORT_MS: Final = 4 * HOUR_MS  #: how long before its beginning the next day is made
DERIVATIVES_KEPT: Final = 31 * BARS_A_DAY  #: the exchange keeps about 30 days
TURNS: Final = (0.25, 0.70)  #: when within a bar the price reaches its first and its second extreme


class NoBarsError(ValueError):
    """A folder or a moment without recorded bars."""


@dataclass(frozen=True, slots=True)
class Day:
    """288 five-minute bars of every row, starting at a UTC midnight; NaN where there is none."""

    bars: Floats  #: (9, rows, 288)
    derivatives: Floats  #: (5, rows, 288): what was true at each bar's close; funding per 8 hours


class Source(Protocol):
    """Where a market comes from; days are asked for once, in order."""

    contracts: list[Contract]
    genesis: int  #: UTC midnight of the first day, ms
    end: int | None  #: where the data ends, ms; None: never
    estimated: tuple[str, ...]  #: what no exchange has observed

    def day(self, number: int) -> Day:
        """Return the day *number* days after genesis."""


def aggregate(bars: Floats, width: int) -> Floats:
    """Return bars (9, rows, n / width) made of *width* neighbours of *bars*, shape (9, rows, n)."""
    grouped = bars.reshape(COLUMNS, bars.shape[1], -1, width)
    wide = np.empty(grouped.shape[:3])
    wide[OPEN], wide[CLOSE] = _first_and_last(grouped)
    wide[HIGH] = np.fmax.reduce(grouped[HIGH], axis=-1)
    wide[LOW] = np.fmin.reduce(grouped[LOW], axis=-1)
    whole = not np.isnan(grouped[OPEN]).any()
    wide[VOLUME:] = grouped[VOLUME:].sum(axis=-1) if whole else np.nansum(grouped[VOLUME:], axis=-1)
    return wide


def so_far(bar: Floats, fraction: float, tick: Floats, step: Floats) -> Floats:
    """Return what *bar*, shape (9, …), looked like when *fraction* of its time had passed.

    The price goes from the open over the extreme away from the close to the other one, then to the close.
    """
    opened, high, low, close = bar[OPEN], bar[HIGH], bar[LOW], bar[CLOSE]
    rising = close >= opened
    turns = (opened, np.where(rising, low, high), np.where(rising, high, low), close)
    times = (0.0, *TURNS, 1.0)
    leg = 0 if fraction < TURNS[0] else 1 if fraction < TURNS[1] else 2
    part = (fraction - times[leg]) / (times[leg + 1] - times[leg])
    price = np.round((turns[leg] + part * (turns[leg + 1] - turns[leg])) / tick) * tick
    passed = np.stack([*turns[: leg + 1], price])
    shown = np.empty_like(bar)
    shown[OPEN], shown[CLOSE] = opened, price
    shown[HIGH], shown[LOW] = passed.max(axis=0), passed.min(axis=0)
    shown[VOLUME] = np.floor(bar[VOLUME] * fraction / step) * step
    shown[TAKER] = np.minimum(np.floor(bar[TAKER] * fraction / step) * step, shown[VOLUME])
    shown[QUOTE], shown[TAKER_QUOTE] = bar[QUOTE] * fraction, bar[TAKER_QUOTE] * fraction
    shown[COUNT] = np.floor(bar[COUNT] * fraction)
    return shown


def _first_and_last(grouped: Floats) -> tuple[Floats, Floats]:
    opens, closes = grouped[OPEN], grouped[CLOSE]
    if not np.isnan(opens).any():
        return opens[..., 0], closes[..., -1]
    there = ~np.isnan(opens)
    first = there.argmax(axis=-1)
    last = there.shape[-1] - 1 - there[..., ::-1].argmax(axis=-1)
    return _picked(opens, first), _picked(closes, last)


def _picked(values: Floats, index: Integers) -> Floats:
    return np.asarray(np.take_along_axis(values, index[..., None], axis=-1)[..., 0])


class Tape:
    """All bars up to a frontier that is always at least one bar ahead of the clock."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows = 1 + max(contract.row for contract in source.contracts)
        self._rings = {name: np.full((COLUMNS, self.rows, size), np.nan) for name, size in CAPACITY.items()}
        self._derivatives = np.full((SERIES, self.rows, DERIVATIVES_KEPT), np.nan, dtype=np.float32)
        self._days = 0
        self._ahead: Day | None = None
        self._making = threading.Lock()

    @property
    def frontier(self) -> int:
        """The time up to which the market is known, ms."""
        return self.source.genesis + self._days * DAY_MS

    def reach(self, now: int) -> None:
        """Bring the frontier beyond the bar that is open at *now*."""
        while self.frontier < now + 2 * BAR_MS:
            with self._making:
                day, self._ahead = self._ahead or self.source.day(self._days), None
                self._append(day)
                self._days += 1

    def runs_short(self, now: int) -> bool:
        """Whether it is time to make the next day ready."""
        return self._ahead is None and self.frontier < now + SHORT_MS

    def make_ready(self) -> None:
        """Make the next day ahead of its time, in a thread, so that the clock need not wait for it."""
        with self._making:
            if self._ahead is None:
                self._ahead = self.source.day(self._days)

    def _append(self, day: Day) -> None:
        for name, length in INTERVAL_MS.items():
            width = length // BAR_MS
            bars = day.bars if width == 1 else aggregate(day.bars, width)
            numbers = self.frontier // length + np.arange(bars.shape[2])
            self._rings[name][:, :, numbers % CAPACITY[name]] = bars
        numbers = self.frontier // BAR_MS + np.arange(BARS_A_DAY)
        self._derivatives[:, :, numbers % DERIVATIVES_KEPT] = day.derivatives

    def first_kept(self, interval: str) -> int:
        """Return the number of the oldest bar of *interval* that is still held."""
        length = INTERVAL_MS[interval]
        return max(self.source.genesis // length, self.frontier // length - CAPACITY[interval])

    def bars(self, row: int, interval: str, first: int, last: int) -> Floats:
        """Return bars number *first* to *last* (excluded) of one row, shape (9, n)."""
        numbers = np.arange(first, last) % CAPACITY[interval]
        return self._rings[interval][:, row, :].take(numbers, axis=1)

    def across(self, first: int, last: int) -> Floats:
        """Return five-minute bars number *first* to *last* (excluded) of every row, shape (9, rows, n)."""
        numbers = np.arange(first, last) % CAPACITY["5m"]
        return self._rings["5m"].take(numbers, axis=2)

    def series(self, row: int, first: int, last: int) -> Floats:
        """Return the derivatives at the closes of bars *first* to *last* (excluded), shape (5, n)."""
        numbers = np.arange(first, last) % DERIVATIVES_KEPT
        return self._derivatives[:, row, :].take(numbers, axis=1).astype(np.float64)

    def series_across(self, number: int) -> Floats:
        """Return the derivatives of every row at the close of one bar, shape (5, rows)."""
        return self._derivatives[:, :, number % DERIVATIVES_KEPT].astype(np.float64)

    def first_series(self) -> int:
        """Return the number of the oldest bar whose derivatives are still held."""
        return max(self.source.genesis // BAR_MS, self.frontier // BAR_MS - DERIVATIVES_KEPT)
