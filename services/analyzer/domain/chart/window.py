"""A window of bars of one interval, and the check that it can be analysed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

from services.analyzer.domain.numeric import Rows, Series, once, talib
from shared.contracts import DAY_MS, INTERVALS, LEAST_BARS, Interval, Problem
from shared.kernels import kernel

#: How far swings, levels, regimes and the radar look back, however much more a window holds: some 480 bars, over which
#: thresholds and the reach of targets were measured (docs/adr/0022), in whole days.  Of 5m one day would be too few for
#: the Hurst exponent.
LOOK_BACK_DAYS: Final[dict[Interval, int]] = {"5m": 2, "15m": 5, "1h": 20, "4h": 80}
MATRIX_ROWS: Final = 8
LAST_BARS: Final = 8
CLOSE: Final = 3  #: its place in one of the `last_bars`
PROBLEMS: Final[tuple[Problem | None, ...]] = (None, "not finite", "gap", "inconsistent")
SOUND, NOT_FINITE, GAP, INCONSISTENT = range(len(PROBLEMS))
NEWEST: Final = 8  #: values of an indicator that votes look at
Value = TypeVar("Value")


class Window:
    """Bars of one interval, oldest first, and what several indicators have in common, computed once."""

    def __init__(self, interval: Interval, matrix: Rows, *, since: int = 0) -> None:
        self.interval = interval
        self.since = since  #: the first bar whose values are read; earlier values may stay NaN
        self._matrix = matrix
        self._shared: dict[Callable[[Window], Any], Any] = {}
        self.open_time, self.open, self.high, self.low, self.close, self.volume, self.quote_volume, self.taker = matrix

    def __len__(self) -> int:
        return len(self.close)

    def shared(self, compute: Callable[[Window], Value]) -> Value:
        """Return what *compute* makes of this window: worked out once, however many indicators ask for it."""
        if compute not in self._shared:
            self._shared[compute] = compute(self)
        value: Value = self._shared[compute]
        return value

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

    @once
    def recent(self) -> Window:
        """The last `LOOK_BACK_DAYS`, of whose values the `NEWEST` are read."""
        count = min(len(self), LOOK_BACK_DAYS[self.interval] * DAY_MS // INTERVALS[self.interval])
        return Window(self.interval, self._matrix[:, len(self) - count :], since=max(0, count - NEWEST))

    @once
    def last_bars(self) -> list[list[float]]:
        """The newest bars' open, high, low and close, oldest first: single ones are read faster from here."""
        bars: list[list[float]] = self._matrix[1:5, -LAST_BARS:].T.tolist()
        return bars

    @property
    def last(self) -> tuple[float, float, float, float, float]:
        """The last bar's open, high, low, close and volume."""
        opened, high, low, close, volume = self._matrix[1:6, -1].tolist()
        return opened, high, low, close, volume

    def closed(self, until: int) -> Window:
        """Return the window without a last bar that closes after *until*."""
        return self if self.is_closed(until) else self.part(0, len(self) - 1)

    def is_closed(self, until: int) -> bool:
        """Return whether the last bar has closed by *until*."""
        return bool(self.open_time[-1] + INTERVALS[self.interval] <= until)

    def part(self, start: int, end: int) -> Window:
        """Return bars *start* to *end* (excluded) as a window of their own."""
        return Window(self.interval, self._matrix[:, start:end])

    def newest(self, count: int) -> Rows:
        """Return the last *count* bars' times, prices and volumes, shape (6, count)."""
        return self._matrix[:6, -count:]


def check(interval: Interval, matrix: Rows) -> Problem | None:
    """Return why *matrix* cannot be analysed, or None.

    Prices and volume must be finite, times rise by one interval, each high be the highest and each low the lowest
    of its bar, and there must be at least `LEAST_BARS`.  The quote volume and the taker's share may be missing (NaN).
    """
    if matrix.ndim != 2 or matrix.shape[0] != MATRIX_ROWS or matrix.shape[1] < LEAST_BARS:
        return "insufficient history"
    return PROBLEMS[problem_in(matrix, matrix.shape[1], INTERVALS[interval])]


@kernel
def problem_in(bars: Rows, count: int, length: float) -> int:
    """Return the place in `PROBLEMS` of what is wrong with *count* bars that should be *length* ms long."""
    gap: bool = False
    back: bool = False
    sound: bool = True
    for at in range(count):
        time, opened, high, low = bars[0, at], bars[1, at], bars[2, at], bars[3, at]
        close, volume = bars[4, at], bars[5, at]
        if not (math.isfinite(time) and math.isfinite(opened) and math.isfinite(high) and math.isfinite(low)):
            return NOT_FINITE
        if not (math.isfinite(close) and math.isfinite(volume)):
            return NOT_FINITE
        step = time - bars[0, at - 1] if at > 0 else length
        if step != length:
            gap = True
        if step <= 0.0:
            back = True
        if not (low <= opened <= high and low <= close <= high and low > 0.0 and volume >= 0.0):
            sound = False
    return INCONSISTENT if back else GAP if gap else SOUND if sound else INCONSISTENT
