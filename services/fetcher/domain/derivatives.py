"""One symbol's futures figures: open interest, ratios and funding, kept by stamp and cut at a scan."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from services.fetcher.domain.symbol_windows import MarkRange
from services.fetcher.domain.window import EARLIER
from shared.contracts import HOUR_MS, SCAN_MS, Derivatives, Floats, Points

HELD_POINTS: Final = 288
SETTLEMENTS: Final = 12
MARKS_HELD_MS: Final = 4 * SCAN_MS
MARK_STEP_MS: Final = 5_000  #: marks closer together than this replace each other
FUNDING_HOURS: Final = frozenset({1, 4, 8})


class PointSeries:
    """Stamped values, oldest first, each stamp once."""

    def __init__(self, held: int = HELD_POINTS) -> None:
        self._held = held
        self.times: Floats = np.empty(0)
        self.values: Floats = np.empty(0)

    def merge(self, times: Floats, values: Floats) -> None:
        """Take new points; a stamp that is held already gets its new value."""
        if not times.size:
            return
        older = ~np.isin(self.times, times)
        all_times = np.concatenate((self.times[older], times))
        order = np.argsort(all_times, kind="stable")[-(self._held + EARLIER) :]
        self.values = np.concatenate((self.values[older], values))[order]
        self.times = all_times[order]

    def cut(self, moment: int) -> Points:
        """Return the points stamped not later than *moment*."""
        end = int(np.searchsorted(self.times, moment, side="right"))
        start = max(0, end - self._held)
        return Points.of(self.times[start:end], self.values[start:end])

    def newest(self) -> int:
        """Return the newest stamp, 0 without one."""
        return int(self.times[-1]) if self.times.size else 0


@dataclass(frozen=True)
class MarkPrice:
    """Mark price, index price and running funding rate of a symbol at one moment."""

    at: int
    price: float
    index: float
    rate: float | None
    next_funding: int = 0


@dataclass
class SymbolDerivatives:
    """The series of one symbol."""

    open_interest: PointSeries = field(default_factory=PointSeries)
    global_ratio: PointSeries = field(default_factory=PointSeries)
    top_ratio: PointSeries = field(default_factory=PointSeries)
    funding: PointSeries = field(default_factory=lambda: PointSeries(SETTLEMENTS))
    listed_hours: int | None = None  #: the hours between settlements that the exchange lists
    marks: deque[MarkPrice] = field(default_factory=deque)

    def observe(self, mark: MarkPrice) -> None:
        """Keep *mark*; marks within five seconds of the one before the last replace the last."""
        if not (mark.price > 0 and np.isfinite((mark.price, mark.index, mark.rate or 0.0)).all()):
            return
        if self.marks and mark.at <= self.marks[-1].at:
            return
        if len(self.marks) > 1 and mark.at - self.marks[-2].at < MARK_STEP_MS:
            self.marks.pop()
        self.marks.append(mark)
        while self.marks[0].at < mark.at - MARKS_HELD_MS:
            self.marks.popleft()

    def mark_range(self, since: int) -> MarkRange | None:
        """Return the range of mark prices from *since* on, None without any."""
        prices = [mark.price for mark in self.marks if mark.at >= since]
        return MarkRange(min(prices), max(prices)) if prices else None

    def interval_hours(self, moment: int) -> int | None:
        """Return the funding interval at *moment*: the listed one, else that of the settlements.

        Contracts that the exchange does not list settle regularly as well; with fewer than two known
        settlements the interval is unknown.
        """
        if self.listed_hours is not None:
            return self.listed_hours if self.listed_hours in FUNDING_HOURS else None
        times = self.funding.times[self.funding.times <= moment]
        if times.size < 2:
            return None
        hours = round((times[-1] - times[-2]) / HOUR_MS)
        return hours if hours in FUNDING_HOURS else None

    def cut(self, scan_id: int, *, estimated: bool = False) -> Derivatives:
        """Return the figures as of five minutes before *scan_id*."""
        moment = scan_id - SCAN_MS
        mark = next((mark for mark in reversed(self.marks) if mark.at <= moment), None)
        return Derivatives(
            open_interest=self.open_interest.cut(moment),
            global_ratio=self.global_ratio.cut(moment),
            top_ratio=self.top_ratio.cut(moment),
            funding_settled=self.funding.cut(moment),
            funding_rate=mark.rate if mark else None,
            funding_at=mark.at if mark else None,
            funding_interval_hours=self.interval_hours(moment),
            mark_price=mark.price if mark else None,
            index_price=mark.index if mark else None,
            estimated=estimated,
        )

    def restore(self, kept: Derivatives) -> None:
        """Take the figures of an earlier snapshot."""
        for series, points in self._series(kept).items():
            getattr(self, series).merge(*points.arrays())
        if kept.funding_at is not None and kept.mark_price is not None:
            self.observe(MarkPrice(kept.funding_at, kept.mark_price, kept.index_price or 0.0, kept.funding_rate))

    @staticmethod
    def _series(kept: Derivatives) -> Mapping[str, Points]:
        return {
            "open_interest": kept.open_interest,
            "global_ratio": kept.global_ratio,
            "top_ratio": kept.top_ratio,
            "funding": kept.funding_settled,
        }
