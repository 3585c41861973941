"""Other thresholds over stored analyses: what would have become a signal; pure.

The gates judge each analysis anew, streaks are replayed scan by scan, and a coin opens no second signal on a side while
the first is open or cools down, as the gatekeeper has it.  Mutes and routes are left out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from shared.contracts import HOUR_MS, Analysis, Side
from shared.gate import Appearance
from shared.gates import GATES
from shared.settings import RuntimeSettings, Thresholds

FOR_EVER: Final = 2**62

Place = tuple[str, Side, int]  #: symbol, side, scan


@dataclass(frozen=True)
class ScanFacts:
    """What held for every coin of a scan."""

    degraded: bool = False  #: the exchange's data could not be trusted: streaks end
    inhibited: bool = False  #: no signal could come of it


@dataclass(frozen=True)
class Course:
    """One coin at the scans that are stored of it, oldest first; every array has the same length."""

    scan_id: npt.NDArray[np.int64]
    close: npt.NDArray[np.float64]  #: on the tick grid; NaN where it is not known
    long_score: npt.NDArray[np.float64]
    short_score: npt.NDArray[np.float64]


@dataclass(frozen=True)
class KnownEnd:
    """What the evaluator found of a signal or near miss."""

    touched_at: int | None  #: close of the bar in which it met target or stop; None: neither
    r_net: float | None = None  #: None while it is followed
    hit: bool = False


@dataclass(frozen=True)
class Stored:
    """Stored facts besides the analyses."""

    newest: int  #: scan
    followed: Mapping[Place, KnownEnd] = field(default_factory=dict)
    free_at: Mapping[tuple[str, Side], int] = field(default_factory=dict)  #: by signals of before
    courses: Mapping[str, Course] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """The analyses that one set of thresholds lets through."""

    appeared: int
    passed: tuple[Analysis, ...]  #: all gates, in scans that could raise a signal; oldest first


@dataclass(frozen=True)
class Replayed:
    """What one set of thresholds comes to."""

    judged: Judged
    opened: tuple[Place, ...]  #: the signals, oldest first
    alerts: int  #: a group counts once
    by_closes: int  #: signals without a recorded end: found by the closes at the scans


def judge(
    analyses: Iterable[Analysis], variants: Sequence[RuntimeSettings], scans: Mapping[int, ScanFacts], since: int
) -> list[Judged]:
    """Judge *analyses*, oldest first, by each of *variants*; those up to *since* only begin streaks.

    *analyses* may come one by one: only those that pass are kept.
    """
    judges = [_Judge(one, scans, since) for one in variants]
    for analysis in analyses:
        for one in judges:
            one.take(analysis)
    return [Judged(one.appeared, tuple(one.passed)) for one in judges]


class _Judge:
    """One set of thresholds, and the streaks that it has seen so far."""

    def __init__(self, settings: RuntimeSettings, scans: Mapping[int, ScanFacts], since: int) -> None:
        self.appeared = 0
        self.passed: list[Analysis] = []
        self._settings, self._scans, self._since = settings, scans, since
        self._limits: dict[str, Thresholds] = {}
        self._streaks: dict[str, Appearance] = {}

    def take(self, analysis: Analysis) -> None:
        symbol, scan = analysis.symbol, self._scans.get(analysis.scan_id, ScanFacts())
        if symbol not in self._limits:
            self._limits[symbol] = self._settings.thresholds_for(symbol)
        limits, earlier = self._limits[symbol], self._streaks.get(symbol)
        if not all(gate.verdict(analysis, limits, earlier).passed for gate in _PLAIN):
            return
        if not scan.degraded:
            self._streaks[symbol] = Appearance.after(earlier, analysis.side, analysis.scan_id)
        if analysis.scan_id <= self._since:
            return
        self.appeared += 1
        if not scan.inhibited and all(gate.verdict(analysis, limits, earlier).passed for gate in _LOOKING_BACK):
            self.passed.append(analysis)


_PLAIN: Final = tuple(gate for gate in GATES.values() if not gate.looks_back)
_LOOKING_BACK: Final = tuple(gate for gate in GATES.values() if gate.looks_back)


def spans(judged: Iterable[Judged], hours: float) -> dict[str, list[tuple[int, int]]]:
    """Return, by symbol, the times within which one of its signals could be open: (after, up to), apart."""
    length = int(hours * HOUR_MS)
    starts: dict[str, set[int]] = defaultdict(set)
    for one in judged:
        for analysis in one.passed:
            starts[analysis.symbol].add(analysis.scan_id)
    found: dict[str, list[tuple[int, int]]] = {}
    for symbol, scans in starts.items():
        joined: list[tuple[int, int]] = []
        for start in sorted(scans):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], start + length)
            else:
                joined.append((start, start + length))
        found[symbol] = joined
    return found


def replay(judged: Judged, settings: RuntimeSettings, stored: Stored) -> Replayed:
    """Return which of *judged* open a signal, and how many alerts they make."""
    by_coin: dict[str, list[Analysis]] = defaultdict(list)
    for analysis in judged.passed:
        by_coin[analysis.symbol].append(analysis)
    opened: list[Place] = []
    by_closes = 0
    for passed in by_coin.values():
        mine, guessed = _of_coin(passed, settings, stored)
        opened += mine
        by_closes += guessed
    opened.sort(key=lambda place: (place[2], place[0]))
    return Replayed(judged, tuple(opened), _alerts(opened, settings.lifecycle.group_size), by_closes)


def _of_coin(passed: Sequence[Analysis], settings: RuntimeSettings, stored: Stored) -> tuple[list[Place], int]:
    """Return the signals of one coin, and how many of their ends had to be found by closes."""
    cooldown = int(settings.lifecycle.cooldown_hours * HOUR_MS)
    symbol = passed[0].symbol
    scans_of: dict[Side, list[int]] = {"long": [], "short": []}
    for analysis in passed:
        scans_of[analysis.side].append(analysis.scan_id)
    free_at = {side: stored.free_at.get((symbol, side), 0) for side in scans_of}
    opened: list[Place] = []
    guessed = 0
    for analysis in passed:
        if analysis.levels is None or free_at[analysis.side] > analysis.scan_id:
            continue
        place: Place = (symbol, analysis.side, analysis.scan_id)
        known = stored.followed.get(place)
        other = scans_of["short" if analysis.side == "long" else "long"]
        end = end_of(analysis, stored.courses.get(symbol, _NOTHING), other, settings, known, stored.newest)
        free_at[analysis.side] = min(end, FOR_EVER - cooldown) + cooldown
        opened.append(place)
        guessed += known is None
    return opened, guessed


def end_of(
    analysis: Analysis,
    course: Course,
    other_side: Sequence[int],
    settings: RuntimeSettings,
    known: KnownEnd | None,
    newest: int,
) -> int:
    """Return the scan at which a signal of *analysis* ends, `FOR_EVER` where that is later than the *newest* one.

    *other_side* are the scans at which the other side qualified.  What *known* says of target and stop counts; where
    it was not followed, the closes at the scans do.
    """
    rules, start, levels = settings.lifecycle, analysis.scan_id, analysis.levels
    expiry = start + int(rules.expiry_hours * HOUR_MS)
    first, last = np.searchsorted(course.scan_id, (start, expiry), side="right")
    scans = course.scan_id[first:last]
    ends = [expiry] if newest >= expiry else []
    if known is not None:
        ends += [known.touched_at] if known.touched_at is not None else []
    elif levels is not None:
        way = 1.0 if analysis.side == "long" else -1.0
        gain = way * course.close[first:last]
        ends += _first(scans, (gain >= way * levels.target) | (gain <= way * levels.stop))
    score = course.long_score if analysis.side == "long" else course.short_score
    limit = settings.thresholds_for(analysis.symbol).score - rules.invalidation_margin
    ends += _first(scans, _in_a_row(score[first:last] < limit, rules.invalidation_scans))
    turned = bisect_left(other_side, start + 1)
    ends += other_side[turned : turned + 1]
    return int(min(ends, default=FOR_EVER))


def _first(scans: npt.NDArray[np.int64], holds: npt.NDArray[np.bool_]) -> list[int]:
    found = np.flatnonzero(holds)
    return [int(scans[found[0]])] if found.size else []


def _in_a_row(holds: npt.NDArray[np.bool_], length: int) -> npt.NDArray[np.bool_]:
    """Return where *holds* has held *length* times in a row."""
    if holds.size < length:
        return np.zeros(holds.size, dtype=np.bool_)
    sums = np.convolve(holds.astype(np.int64), np.ones(length, dtype=np.int64))[: holds.size]
    return np.asarray(sums == length)


def _alerts(opened: Iterable[Place], group_size: int) -> int:
    """Return how many alerts *opened* make: enough of one side and scan leave as one."""
    members: dict[tuple[Side, int], int] = defaultdict(int)
    for _, side, scan in opened:
        members[side, scan] += 1
    return sum(1 if count >= group_size else count for count in members.values())


_NOTHING: Final = Course(np.empty(0, np.int64), *(np.empty(0, np.float64) for _ in range(3)))
