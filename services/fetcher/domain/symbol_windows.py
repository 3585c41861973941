"""One symbol's bars: loaded once, advanced by closed five-minute bars, cut at any scan.

Only closed bars are kept.  A higher bar appears in a window when its last five-minute bar has
closed; the one so far is aggregated when the window is cut, so nothing newer than a scan leaks in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from services.fetcher.domain.bars import (
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    OPEN_TIME,
    VOLUME,
    BarResult,
    aggregate,
    flaw,
    resample,
    sound,
    wicks,
)
from services.fetcher.domain.window import BarWindow
from shared.contracts import FULL_BARS, INTERVALS, LEAST_BARS, SCAN_MS, Floats, Interval, Problem

WICK: Final = 0.5  #: a wick this far beyond both the last close and the mark price is quarantined
QUARANTINE_MS: Final = 100 * SCAN_MS  #: by then the wick's part in a 14-bar average is below a thousandth
HIGHER: Final[tuple[Interval, ...]] = ("15m", "1h", "4h")


@dataclass(frozen=True)
class MarkRange:
    """Lowest and highest mark price that was seen lately."""

    low: float
    high: float


@dataclass
class SymbolWindows:
    """All windows of one symbol, and their problems."""

    symbol: str
    windows: dict[Interval, BarWindow] = field(default_factory=lambda: {name: BarWindow(name) for name in INTERVALS})
    revisions: int = 0  #: closed bars that the exchange revised later
    distrusted: dict[int, str] = field(default_factory=dict)  #: open time of each quarantined bar

    @property
    def last_close(self) -> int:
        """Close of the newest five-minute bar, 0 without one."""
        return self.windows["5m"].last_open + SCAN_MS if len(self.windows["5m"]) else 0

    @property
    def changes(self) -> int:
        """How often any of the windows has changed."""
        return sum(window.changes for window in self.windows.values())

    def load(self, bars: dict[Interval, Floats]) -> None:
        """Replace the held bars by *bars* (closed ones only); their wicks have no mark price."""
        for interval, matrix in bars.items():
            self.windows[interval].load(matrix)
        if "5m" in bars:
            self.distrusted |= {int(at): "wick" for at in wicks(self.windows["5m"].bars, WICK)}
        self._complete_higher(self.last_close)

    def take(self, bar: Floats, mark: MarkRange | None = None) -> BarResult:
        """Offer a closed five-minute *bar*, one column; return its result."""
        refused = flaw(bar)
        if refused is not None:
            return refused
        window = self.windows["5m"]
        open_time = int(bar[OPEN_TIME])
        if open_time <= window.last_open:
            return self._revise(window, open_time, bar)
        if not len(window) or open_time != window.last_open + SCAN_MS:
            return BarResult.GAP
        wick = self._is_wick(float(window.bars[CLOSE, -1]), bar, mark)
        window.append(bar)
        self._complete_higher(open_time + SCAN_MS)
        if wick:
            self.distrusted[open_time] = "wick"
        return BarResult.QUARANTINED if wick else BarResult.APPENDED

    def _revise(self, window: BarWindow, open_time: int, bar: Floats) -> BarResult:
        """Keep the exchange's newer version of a closed bar."""
        column = window.position(open_time)
        if column is None:
            return BarResult.OLD
        if np.array_equal(window.bars[:, column], bar, equal_nan=True):
            return BarResult.DUPLICATE
        window.replace(column, bar)
        self.revisions += 1
        self.distrusted.pop(open_time, None)
        self._recompute_higher(open_time)
        return BarResult.REVISED

    def _is_wick(self, last_close: float, bar: Floats, mark: MarkRange | None) -> bool:
        low, high = last_close, last_close
        if mark is not None:
            low, high = min(low, mark.low), max(high, mark.high)
        return bool(bar[LOW] < low * (1 - WICK) or bar[HIGH] > high / (1 - WICK))

    def _complete_higher(self, close: int) -> None:
        """Append the higher bars that end at *close* or before and are not held yet."""
        for interval in HIGHER:
            window, length = self.windows[interval], INTERVALS[interval]
            if not len(window):
                continue
            while window.last_open + 2 * length <= close:
                parts = self._parts(window.last_open + length, length)
                if parts.shape[1] != length // SCAN_MS:
                    break  # the exchange's own bar is wanted: see `wanted`
                window.append(aggregate(parts, window.last_open + length))

    def _recompute_higher(self, open_time: int) -> None:
        for interval in HIGHER:
            length = INTERVALS[interval]
            bucket = open_time - open_time % length
            column, parts = self.windows[interval].position(bucket), self._parts(bucket, length)
            if column is not None and parts.shape[1] == length // SCAN_MS:
                self.windows[interval].replace(column, aggregate(parts, bucket))

    def _parts(self, bucket: int, length: int) -> Floats:
        times = self.windows["5m"].bars[OPEN_TIME]
        start, end = np.searchsorted(times, [bucket, bucket + length])
        return self.windows["5m"].bars[:, start:end]

    def adopt(self, interval: Interval, bars: Floats) -> int:
        """Take the exchange's own closed higher *bars*; return how many differed from the held ones."""
        window, differing = self.windows[interval], 0
        for bar in sound(bars, interval).T:
            column = window.position(int(bar[OPEN_TIME]))
            if column is None:
                if not len(window) or bar[OPEN_TIME] == window.last_open + INTERVALS[interval]:
                    window.append(bar)
            elif not np.allclose(window.bars[OPEN : VOLUME + 1, column], bar[OPEN : VOLUME + 1], rtol=1e-9):
                window.replace(column, bar)
                differing += 1
        return differing

    def compare(self, interval: Interval, own: Floats) -> int:
        """Take the exchange's *own* bars of *interval* and the longer ones they make up; return how many differed."""
        longer = HIGHER[HIGHER.index(interval) :]
        return sum(self.adopt(target, resample(own, interval, target)) for target in longer)

    def wanted(self, close: int) -> dict[Interval, int]:
        """Return, for each interval that lacks closed bars at *close* or has a gap, how many to fetch."""
        lacking: dict[Interval, int] = {}
        for interval, length in INTERVALS.items():
            window = self.windows[interval]
            expected = close - close % length - length  # open time of the newest closed bar
            if not len(window) or window.has_gap():
                lacking[interval] = FULL_BARS
            elif window.last_open < expected and (interval == "5m" or not self._can_complete(window, expected)):
                lacking[interval] = min(FULL_BARS, (expected - window.last_open) // length)
        return lacking

    def _can_complete(self, window: BarWindow, expected: int) -> bool:
        return (
            len(self.windows["5m"]) > 0
            and self.windows["5m"].bars[OPEN_TIME, 0] <= window.last_open + (INTERVALS[window.interval])
        )

    def cut(self, scan_id: int) -> dict[Interval, Floats]:
        """Return each interval's bars as of *scan_id*, higher ones with their unfinished bar."""
        five = self.windows["5m"].before(scan_id)
        bars: dict[Interval, Floats] = {"5m": five}
        for interval in HIGHER:
            length = INTERVALS[interval]
            closed = self.windows[interval].before(scan_id)
            bucket = (scan_id - SCAN_MS) - (scan_id - SCAN_MS) % length
            if bucket + length != scan_id and len(five):
                parts = five[:, int(np.searchsorted(five[OPEN_TIME], bucket)) :]
                if parts.shape[1]:
                    closed = np.column_stack((closed, aggregate(parts, bucket)))
            bars[interval] = closed[:, -FULL_BARS:]
        return bars

    def problems(self, scan_id: int, bars: dict[Interval, Floats]) -> tuple[Problem, ...]:
        """Return why *bars*, cut at *scan_id*, are unsound."""
        found: list[Problem] = []
        if any(matrix.shape[1] < LEAST_BARS for matrix in bars.values()):
            found.append("insufficient history")
        if any(_gapped(matrix, INTERVALS[interval]) for interval, matrix in bars.items()):
            found.append("gap")
        five = bars["5m"]
        if not five.shape[1] or five[OPEN_TIME, -1] != scan_id - SCAN_MS:
            found.append("stale")
        elif five[VOLUME, -1] == 0:
            found.append("zero volume")
        if any(scan_id - QUARANTINE_MS <= at < scan_id for at in self.distrusted):
            found.append("quarantined")
        return tuple(found)

    def forget_old_doubts(self, scan_id: int) -> None:
        """Drop quarantined bars that are too old to matter."""
        self.distrusted = {at: why for at, why in self.distrusted.items() if at >= scan_id - QUARANTINE_MS}


def _gapped(bars: Floats, length: int) -> bool:
    """Whether bars are missing in the *bars* of *length* ms (which end with the one so far)."""
    count = bars.shape[1]
    return count > 1 and bool(bars[OPEN_TIME, -1] - bars[OPEN_TIME, 0] != (count - 1) * length)
