"""A window of bars of one interval, and the check that it can be analysed."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.numeric import Series, every, forget, once, talib
from shared.contracts import INTERVALS, Interval, Problem

LEAST_BARS: Final = 300
DAY_MS: Final = 86_400_000
MATRIX_ROWS: Final = 8
RSI_PERIOD: Final = 14


class Window:
    """Bars of one interval, oldest first, and what several indicators have in common, computed once."""

    def __init__(self, interval: Interval, matrix: npt.NDArray[np.float64]) -> None:
        self.interval = interval
        self._matrix = matrix
        self.open_time, self.open, self.high, self.low, self.close, self.volume, self.quote_volume, self.taker = matrix

    def __len__(self) -> int:
        return len(self.close)

    @once
    def _ranges(self) -> tuple[Series, Series, Series]:
        """High, low and close behind a bar whose close is the first low: the first true range is high − low."""
        rows = np.empty((3, len(self) + 1))
        rows[:, 1:] = self._matrix[2:5]
        rows[:, 0] = self.high[0], self.low[0], self.low[0]
        return rows[0], rows[1], rows[2]

    @once
    def typical(self) -> Series:
        """(high + low + close) / 3."""
        values: Series = talib.TYPPRICE(self.high, self.low, self.close)
        return values

    @once
    def turnover(self) -> Series:
        """Typical price × volume."""
        values: Series = self.typical * self.volume
        return values

    def mean_range(self, period: int) -> Series:
        """Wilder's average of the true range (ATR), its first value the mean of the first *period*."""
        values: Series = talib.ATR(*self._ranges, period)
        return values[1:]

    @once
    def mean_20(self) -> Series:
        """SMA 20 of the close."""
        values: Series = talib.SMA(self.close, 20)
        return values

    @once
    def reach_20(self) -> Series:
        """Two population standard deviations of the last 20 closes."""
        values: Series = talib.STDDEV(self.close, 20, 2.0)
        return values

    @once
    def keltner_half(self) -> Series:
        """1.5 × SMA 20 of the true range, that of the first bar being high − low."""
        ranges = talib.TRANGE(*self._ranges)[1:]
        half = forget(talib.SMA(ranges, 20), ranges, 20)
        half *= 1.5
        return half

    @once
    def rsi(self) -> Series:
        """Wilder's RSI 14."""
        values: Series = talib.RSI(self.close, RSI_PERIOD)
        # TA-Lib says 0 as long as nothing has changed since the first bar; without losses it is 100
        if len(values) > RSI_PERIOD and values[RSI_PERIOD] == 0.0:
            quiet = talib.MAX(self.close, RSI_PERIOD + 1) == talib.MIN(self.close, RSI_PERIOD + 1)
            values[quiet & (values == 0.0)] = 100.0
        return values

    @once
    def day_sums(self) -> npt.NDArray[np.float64]:
        """Running sums per UTC day of volume, volume × typical price and takers' balance, shape (3, n).

        NaN before the window's first midnight, and where there is no taker data.
        """
        sums = np.empty((3, len(self) + 1))  # a zero before the first bar
        sums[:, 0] = 0.0
        sums[0, 1:] = self.volume
        sums[1, 1:] = self.turnover
        np.subtract(2.0 * self.taker, self.volume, out=sums[2, 1:])
        np.add.accumulate(sums, axis=1, out=sums)
        first, last = self.open_time.item(0), self.open_time.item(-1)
        midnights = np.arange(-(-first // DAY_MS) * DAY_MS, last + DAY_MS + 1, DAY_MS)
        edges = self.open_time.searchsorted(midnights)  # the first bar of each day, whatever is missing; the end
        before, sums = sums.take(edges[:-1], axis=1), sums[:, 1:]
        sums[:, : edges[0]] = np.nan
        sums[:, edges[0] :] -= before.repeat(edges[1:] - edges[:-1], axis=1)
        return sums

    def closed(self, until: int) -> Window:
        """Return the window without a last bar that closes after *until*."""
        return self if self.is_closed(until) else self.part(0, len(self) - 1)

    def is_closed(self, until: int) -> bool:
        """Return whether the last bar has closed by *until*."""
        return bool(self.open_time[-1] + INTERVALS[self.interval] <= until)

    def part(self, start: int, end: int) -> Window:
        """Return bars *start* to *end* (excluded) as a window of their own."""
        return Window(self.interval, self._matrix[:, start:end])

    def newest(self, count: int) -> npt.NDArray[np.float64]:
        """Return the last *count* bars' times, prices and volumes, shape (6, count)."""
        return self._matrix[:6, -count:]


def check(interval: Interval, matrix: npt.NDArray[np.float64]) -> Problem | None:
    """Return why *matrix* cannot be analysed, or None.

    Prices and volume must be finite, times rise by one interval, each high be the highest and each low the lowest
    of its bar, and there must be at least 300 bars.  The quote volume and the taker's share may be missing (NaN).
    """
    if matrix.ndim != 2 or matrix.shape[0] != MATRIX_ROWS or matrix.shape[1] < LEAST_BARS:
        return "insufficient history"
    if not every(np.isfinite(matrix[:6])):
        return "not finite"
    steps = matrix[0, 1:] - matrix[0, :-1]
    if not every(steps == INTERVALS[interval]):
        return "inconsistent" if (steps <= 0).any() else "gap"
    return None if _consistent(matrix) else "inconsistent"


def _consistent(matrix: npt.NDArray[np.float64]) -> bool:
    bodies, high, low, volume = matrix[1:5:3], matrix[2], matrix[3], matrix[5]
    return every(low <= bodies) and every(high >= bodies) and every(low > 0) and every(volume >= 0)
