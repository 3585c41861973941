"""The newest closed bars of one interval, in one block of memory that slides along."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.fetcher.domain.bars import OPEN_TIME, sound
from shared.contracts import COLUMNS, FULL_BARS, INTERVALS, Floats, Interval

EARLIER: Final = 6  #: bars kept before a full window, so that a scan of half an hour ago is cut as it was
SLACK: Final = 36  #: columns written before the window is moved back to the front
HELD_BARS: Final = FULL_BARS + EARLIER


class BarWindow:
    """The newest closed bars of one interval, oldest first."""

    def __init__(self, interval: Interval, bars: Floats | None = None) -> None:
        self.interval: Interval = interval
        self._cells: Floats = np.empty((len(COLUMNS), HELD_BARS + SLACK))
        self._start = self._end = 0
        self.changes = 0  #: grows whenever a bar is added or replaced
        if bars is not None:
            self.load(bars)

    def load(self, bars: Floats) -> None:
        """Replace the held bars by the last of *bars*."""
        self.changes += 1
        kept = sound(bars, self.interval)[:, -HELD_BARS:]
        self._start, self._end = 0, kept.shape[1]
        self._cells[:, : self._end] = kept

    @property
    def bars(self) -> Floats:
        """All that are held, shape (8, n): a view, valid until the next change."""
        return self._cells[:, self._start : self._end]

    @property
    def last_open(self) -> int:
        """Open time of the newest bar, 0 without one."""
        return int(self._cells[OPEN_TIME, self._end - 1]) if len(self) else 0

    def __len__(self) -> int:
        return self._end - self._start

    def append(self, bar: Floats) -> None:
        """Add *bar* behind the newest one; the oldest goes when the window is full."""
        self.changes += 1
        if self._end == self._cells.shape[1]:
            kept = self.bars[:, -(HELD_BARS - 1) :].copy()
            self._start, self._end = 0, kept.shape[1]
            self._cells[:, : self._end] = kept
        self._cells[:, self._end] = bar
        self._end += 1
        self._start = max(self._start, self._end - HELD_BARS)

    def position(self, open_time: int) -> int | None:
        """Return the column of the bar opening at *open_time*, None without one."""
        column = int(np.searchsorted(self.bars[OPEN_TIME], open_time))
        return column if column < len(self) and self.bars[OPEN_TIME, column] == open_time else None

    def replace(self, column: int, bar: Floats) -> None:
        """Put *bar* at *column* of `bars`."""
        self.changes += 1
        self._cells[:, self._start + column] = bar

    def before(self, moment: int) -> Floats:
        """Return the bars that had closed at *moment*, at most a full window of them."""
        end = len(self)
        if self.last_open + INTERVALS[self.interval] > moment:
            end = int(np.searchsorted(self.bars[OPEN_TIME], moment - INTERVALS[self.interval], side="right"))
        return self.bars[:, max(0, end - FULL_BARS) : end]

    def has_gap(self) -> bool:
        """Whether a bar is missing between the oldest and the newest."""
        return len(self) > 1 and self.last_open - self.bars[OPEN_TIME, 0] != (len(self) - 1) * INTERVALS[self.interval]
