"""One coin's scans in order of time, of which only those are settled at which something can happen.

While no signal is open these are the candidates.  While one is open its end may come from a touch of stop or target,
which the bars show, from a score that stays low, for which few scans are enough, from its expiry, or from a candidate.
The bars in between are taken as one: a signal knows no more of them than how far they went.  What settles is the
gatekeeper's own function (docs/adr/0021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from services.backtest.kept import Scans
from services.backtest.recorded.recording import CoinHistory
from services.backtest.scans.reduce import SETTINGS_VERSION, Reducer, ScanResult
from services.fetcher.domain.bars import CLOSE, HIGH, LOW, OPEN, OPEN_TIME, VOLUME, sound, wicks
from services.fetcher.domain.symbol_windows import QUARANTINE_MS, WICK
from services.gatekeeper.domain import lifecycle
from services.gatekeeper.domain.state import Tracked
from shared.contracts import FULL_BARS, HOUR_MS, INTERVALS, LEAST_BARS, SCAN_MS, Analysis, Floats
from shared.gate import Flags
from shared.settings import RuntimeSettings

NEAR: Final = 1e-9  #: of a price: a bar this near to a level is asked whether it touches it
LONGEST: Final = INTERVALS["4h"] // SCAN_MS
REACH: Final = (FULL_BARS + 200) * LONGEST  #: bars that a window may look back over, and more
STRONG: Final = 100.0  #: a score that no threshold is above
Event = Literal["touch", "expiry", "unclear", "limit"]


@dataclass(frozen=True)
class CoinScans:
    """A coin's scans, and what is known of them."""

    history: CoinHistory
    settings: RuntimeSettings
    market: str
    first: int
    last: int
    degraded: Mapping[int, str]
    clear: Flags  #: by bar, see `clear_scans`
    analysis: Callable[[int], Analysis]  #: of a scan that has a bar; dear where it is not kept
    is_kept: Callable[[int], bool]


def settled(coin: CoinScans, candidates: Sequence[int]) -> Iterator[ScanResult]:
    """Yield the results of the scans at which something can happen, oldest first; *candidates* are in order."""
    work = _Settler(coin)
    for scan_id in candidates:
        yield from work.up_to(scan_id)
        yield work.settle(scan_id)
    yield from work.up_to(coin.last + SCAN_MS)


@dataclass(frozen=True)
class _Scores:
    """What is known of the score of an open signal's side over a span of scans."""

    low: list[int] = field(default_factory=list)  #: the last scans that were looked at: each of them low
    unknown: list[int] = field(default_factory=list)  #: the scans after these, too few to end the signal
    ends: bool = False  #: the last of `low` ends it


class _Settler:
    def __init__(self, coin: CoinScans) -> None:
        self._coin, self._history = coin, coin.history
        self._reducer = Reducer(coin.market, coin.settings)
        self._at = coin.first - SCAN_MS  # the last scan whose part in the state is known
        self._there = np.isfinite(coin.history.five[CLOSE])
        self._unclear = self._there & ~coin.clear

    def settle(self, scan_id: int) -> ScanResult:
        """Settle *scan_id* as it was."""
        there = self._history.has_bar(scan_id)
        return self._settle(scan_id, self._coin.analysis(scan_id) if there else None)

    def _settle(self, scan_id: int, analysis: Analysis | None) -> ScanResult:
        self._at = scan_id
        analyses = {} if analysis is None else {analysis.symbol: analysis}
        return self._reducer.settle(scan_id, analyses, self._coin.degraded.get(scan_id, ""))

    def up_to(self, limit: int) -> Iterator[ScanResult]:
        """Settle what can happen to an open signal before the scan *limit*, which is settled next."""
        while (signals := self._reducer.state.signals) and self._at < limit - SCAN_MS:
            if len(signals) > 1:  # two sides at once
                yield self.settle(self._at + SCAN_MS)
                continue
            tracked = next(iter(signals.values()))
            event, scan_id = self._next_event(tracked, limit)
            yield from self._through(tracked, event, scan_id)

    def _next_event(self, tracked: Tracked, limit: int) -> tuple[Event, int]:
        """Return what comes first, the score left aside, and at which scan."""
        found: list[tuple[int, Event]] = [(limit, "limit")]
        start = self._history.column(self._at)
        columns = slice(start, self._history.column(min(limit - SCAN_MS, self._history.end)))
        unclear = np.flatnonzero(self._unclear[columns])
        if unclear.size:
            found.append((self._scan(start + int(unclear[0])), "unclear"))
        expiry = tracked.signal.scan_id + math.ceil(self._coin.settings.lifecycle.expiry_hours * HOUR_MS)
        expiry = max(self._at + SCAN_MS, -(-expiry // SCAN_MS) * SCAN_MS)
        if expiry < min(found)[0]:
            found.append((expiry, "expiry"))
        for column in np.flatnonzero(near_levels(tracked, self._history.five[:, columns])):
            scan_id = self._scan(start + int(column))
            if scan_id >= min(found)[0]:
                break
            if lifecycle.on_bar(tracked, self._stand_in(tracked, [scan_id]), scan_id)[1] is not None:
                found.append((scan_id, "touch"))
                break
        scan_id, event = min(found)
        return event, scan_id

    def _through(self, tracked: Tracked, event: Event, scan_id: int) -> Iterator[ScanResult]:
        """Settle the scans up to the *event* at *scan_id*, and that one unless it is the limit."""
        start, end = self._history.column(self._at), self._history.column(scan_id) - 1
        span = [self._scan(start + int(column)) for column in np.flatnonzero(self._there[start:end])]
        last_counts = event == "expiry" and self._history.has_bar(scan_id)
        scores = self._scores(tracked, [*span, scan_id] if last_counts else span)
        low = scores.low
        if not scores.ends:
            low = self._low_before(tracked, scores) if self._depends(tracked, event, scan_id) else []
        quiet = [one for one in span if not low or one < low[0]]
        if quiet:
            yield self._settle(quiet[-1], self._stand_in(tracked, quiet))
        for one in low:
            yield self.settle(one)
        if scores.ends:
            return
        if event == "limit":
            self._at = scan_id - SCAN_MS
            return
        if event == "unclear" or not self._history.has_bar(scan_id):
            yield self.settle(scan_id)
        else:
            yield self._settle(scan_id, self._stand_in(tracked, [scan_id]))

    def _depends(self, tracked: Tracked, event: Event, scan_id: int) -> bool:
        """Return whether what happens at *scan_id* depends on how many scans before it were low."""
        if event in ("touch", "expiry") or scan_id > self._coin.last or not self._history.has_bar(scan_id):
            return False
        return bool(self._coin.analysis(scan_id).problem) or self._is_low(tracked, scan_id)

    def _scores(self, tracked: Tracked, span: Sequence[int]) -> _Scores:
        """Find out, with as few analyses as can be, whether the score ends the signal within *span*."""
        enough = self._coin.settings.lifecycle.invalidation_scans
        low, count, place = list[int](), tracked.signal.weak_scans, 0
        while place + enough - count <= len(span):
            part = span[place : place + enough - count]
            kept = next((at for at in reversed(range(len(part))) if self._is_known_high(tracked, part[at])), None)
            if kept is not None:
                low, count, place = [], 0, place + kept + 1
                continue
            high = next((at for at in reversed(range(len(part))) if not self._is_low(tracked, part[at])), None)
            if high is None:
                return _Scores([*low, *part], ends=True)
            low = list(part[high + 1 :])
            count, place = len(low), place + len(part)
        return _Scores(low, list(span[place:]))

    def _low_before(self, tracked: Tracked, scores: _Scores) -> list[int]:
        """Return the scans in a row, up to the end of the span, that are low."""
        for place in reversed(range(len(scores.unknown))):
            if not self._is_low(tracked, scores.unknown[place]):
                return scores.unknown[place + 1 :]
        return [*scores.low, *scores.unknown]

    def _is_known_high(self, tracked: Tracked, scan_id: int) -> bool:
        return self._coin.is_kept(scan_id) and not self._is_low(tracked, scan_id)

    def _is_low(self, tracked: Tracked, scan_id: int) -> bool:
        limits = self._coin.settings.thresholds_for(tracked.signal.symbol)
        return lifecycle.is_weak(self._coin.analysis(scan_id), tracked.signal, limits, self._coin.settings.lifecycle)

    def _stand_in(self, tracked: Tracked, scans: Sequence[int]) -> Analysis:
        """Return an analysis that stands for all of *scans*: the bar that they make up, and a score that is not low.

        No gate that needs more than a score lets it pass.
        """
        columns = [self._history.column(scan_id) - 1 for scan_id in scans]
        five = self._history.five
        bar = (
            *(float(five[OPEN, columns[0]]), float(five[HIGH, columns].max()), float(five[LOW, columns].min())),
            *(float(five[CLOSE, columns[-1]]), float(five[VOLUME, columns].sum())),
        )
        return Analysis(
            symbol=tracked.signal.symbol,
            scan_id=scans[-1],
            settings_version=SETTINGS_VERSION,
            bar=bar,
            side=tracked.signal.side,
            score=STRONG,
            long_score=STRONG,
            short_score=STRONG,
        )

    def _scan(self, column: int) -> int:
        """Return the scan at the close of the bar in *column*."""
        return self._history.genesis + (column + 1) * SCAN_MS


def near_levels(tracked: Tracked, bars: Floats) -> Flags:
    """Return which of *bars*, shape (8, n), may touch the stop or the target; a hole touches nothing."""
    signal = tracked.signal
    low, high = sorted((signal.stop, signal.target))
    return np.asarray((bars[LOW] <= low * (1 + NEAR)) | (bars[HIGH] >= high * (1 - NEAR)))


def clear_scans(five: Floats) -> Flags:
    """Return for each bar of *five*, shape (8, n), whether the scan at its close surely has no problem.

    Every window is full, without a hole and of sound bars then, and no wick is quarantined.
    """
    number = np.arange(five.shape[1])
    first = int(np.isfinite(five[CLOSE]).argmax())
    lacking = ~np.isin(five[OPEN_TIME], sound(five, "5m")[OPEN_TIME]) & (number >= first)
    wick = np.isin(five[OPEN_TIME], wicks(five, WICK))
    is_old = number >= first + (LEAST_BARS + 2) * LONGEST
    return np.asarray(is_old & ~_within(lacking, REACH) & ~_within(wick, QUARANTINE_MS // SCAN_MS + 2))


def _within(flags: Flags, width: int) -> Flags:
    """Return where one of the last *width* of *flags* is true."""
    sums: Scans = np.concatenate((np.zeros(1, np.int64), np.cumsum(flags, dtype=np.int64)))
    back = np.maximum(np.arange(1, len(sums)) - width, 0)
    return np.greater(sums[1:], sums[back])
