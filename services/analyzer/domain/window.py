"""A window of bars of one interval, and the check that it can be analysed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.numeric import Series, empty, talib
from shared.contracts import INTERVALS, Interval, Problem

LEAST_BARS: Final = 300
DAY_MS: Final = 86_400_000
MATRIX_ROWS: Final = 8


class Window:
    """Bars of one interval, oldest first, and what several indicators have in common, computed once."""

    __slots__ = (
        "_midnights",
        "_shared",
        "close",
        "high",
        "interval",
        "low",
        "open",
        "open_time",
        "quote_volume",
        "taker",
        "volume",
    )

    def __init__(self, interval: Interval, matrix: npt.NDArray[np.float64]) -> None:
        self.interval = interval
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        self.open_time, self.open, self.high, self.low, self.close = rows[:5]
        self.volume, self.quote_volume, self.taker = rows[5:]
        self._shared: dict[str, Series] = {}
        self._midnights: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None = None

    def __len__(self) -> int:
        return len(self.close)

    def shared(self, name: str, compute: Callable[[], Series]) -> Series:
        """Return *compute*'s answer, asked once for each *name*."""
        if name not in self._shared:
            self._shared[name] = compute()
        return self._shared[name]

    @property
    def typical(self) -> Series:
        """(high + low + close) / 3."""
        return self.shared("typical", lambda: talib.TYPPRICE(self.high, self.low, self.close))

    @property
    def true_range(self) -> Series:
        """True range; of the first bar high − low."""
        return self.shared("true range", self._true_range)

    def _true_range(self) -> Series:
        ranges: Series = talib.TRANGE(self.high, self.low, self.close)
        ranges[0] = self.high[0] - self.low[0]
        return ranges

    def mean_range(self, period: int) -> Series:
        """Wilder's average of the true range (ATR), its first value the mean of the first *period*."""
        return self.shared(f"atr {period}", lambda: self._mean_range(period))

    def _mean_range(self, period: int) -> Series:
        if len(self) < period:
            return empty(len(self))
        # a bar before the first whose close lies in its range makes the first true range high − low
        high, low, close = (np.concatenate((values[:1], values)) for values in (self.high, self.low, self.close))
        close[0] = low[0]
        return np.asarray(talib.ATR(high, low, close, period)[1:])

    def since_midnight(self, values: Series) -> Series:
        """Return the running sum of *values* per UTC day; NaN before the window's first midnight."""
        starts, lengths = self._days()
        if not len(starts):
            return empty(len(self))
        first = int(starts[0])
        total = np.empty(len(self))
        total[:first] = np.nan
        sums = values[first:].cumsum(out=total[first:])
        before = sums[starts - first - 1]
        before[0] = 0.0
        sums -= before.repeat(lengths)
        return total

    def _days(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return where each UTC day begins, and how many bars it has."""
        if self._midnights is None:
            days = self.open_time / DAY_MS
            starts = (days == np.floor(days)).nonzero()[0]
            self._midnights = starts, np.diff(starts, append=len(self))
        return self._midnights

    @property
    def mean_20(self) -> Series:
        """SMA 20 of the close."""
        return self.shared("sma 20", lambda: talib.SMA(self.close, 20))

    @property
    def deviation_20(self) -> Series:
        """Population standard deviation of the last 20 closes."""
        return self.shared("deviation 20", lambda: talib.STDDEV(self.close, 20, 1.0))

    @property
    def keltner_half(self) -> Series:
        """1.5 × SMA 20 of the true range."""
        return self.shared("keltner", lambda: 1.5 * talib.SMA(self.true_range, 20))

    @property
    def rsi(self) -> Series:
        """Wilder's RSI 14."""
        return self.shared("rsi", self._rsi)

    def _rsi(self) -> Series:
        values: Series = talib.RSI(self.close, 14)
        # TA-Lib says 0 of a window without any change; without losses it is 100
        if (values == 0.0).any():
            quiet = talib.MAX(self.close, 15) == talib.MIN(self.close, 15)
            values[quiet & (values == 0.0)] = 100.0
        return values

    def closed(self, until: int) -> Window:
        """Return the window without a last bar that closes after *until*."""
        return self if self.is_closed(until) else self.part(0, len(self) - 1)

    def is_closed(self, until: int) -> bool:
        """Return whether the last bar has closed by *until*."""
        return bool(self.open_time[-1] + INTERVALS[self.interval] <= until)

    def part(self, start: int, end: int) -> Window:
        """Return bars *start* to *end* (excluded) as a window of their own."""
        rows = (self.open_time, self.open, self.high, self.low, self.close, self.volume, self.quote_volume, self.taker)
        return Window(self.interval, np.stack([row[start:end] for row in rows]))


def check(interval: Interval, matrix: npt.NDArray[np.float64], *, gaps: bool = False) -> Problem | None:
    """Return why *matrix* cannot be analysed, or None.

    Prices and volume must be finite, times rise (by one interval unless *gaps* are allowed), each high be
    the highest and each low the lowest of its bar, and there must be at least 300 bars.  The quote volume
    and the taker's share may be missing (NaN).
    """
    if matrix.ndim != 2 or matrix.shape[0] != MATRIX_ROWS or matrix.shape[1] < LEAST_BARS:
        return "insufficient history"
    if not np.isfinite(matrix[:6]).all():
        return "not finite"
    steps = np.diff(matrix[0])
    if (steps <= 0).any():
        return "inconsistent"
    if not gaps and (steps != INTERVALS[interval]).any():
        return "gap"
    return None if _consistent(matrix) else "inconsistent"


def _consistent(matrix: npt.NDArray[np.float64]) -> bool:
    opened, high, low, close, volume = matrix[1:6]
    return bool(
        (low > 0).all()
        and (high >= np.maximum(opened, close)).all()
        and (low <= np.minimum(opened, close)).all()
        and (volume >= 0).all()
    )
