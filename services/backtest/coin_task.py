"""One coin's part of a backtest, in a process of its own: analyse its scans, keep and return the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from services.backtest.kept import KeptAnalyses, Rows, asked_of_analysis, end_of_month, month_of, packed, unpacked
from services.backtest.outcomes import Entry, Moment, bars_to_follow, entry_of
from services.backtest.recorded.futures_data import observed_scans
from services.backtest.recorded.observed import Settlements
from services.backtest.recorded.recording import BITCOIN, five_minute_bars, load
from services.backtest.reduce import Reducer, refusals
from services.backtest.volume_gate import can_pass
from services.backtest.walk import Walker, without_holes
from shared.contracts import SCAN_MS, Analysis, Floats
from shared.settings import RuntimeSettings

Stopped = Callable[[], bool]


@dataclass(frozen=True)
class CoinTask:
    """One coin's part of a backtest."""

    symbol: str
    folder: Path
    kept: Path
    market: str
    settings: RuntimeSettings
    first: int  #: the first scan
    last: int
    degraded: Mapping[int, str]
    settlements: Settlements | None = None
    all_scores: bool = False
    has_bitcoin: bool = True


@dataclass
class CoinResult:
    """The results of one coin."""

    symbol: str
    bars: Floats  #: as `bars_to_follow`
    observed: dict[str, int] = field(default_factory=dict)  #: scans by what of them is recorded, see `observed_scans`
    rows: Rows = field(default_factory=dict)  #: by scan, of those that matter
    scans: int = 0  #: scans with a bar
    analysed: int = 0  #: anew
    reused: int = 0  #: kept by an earlier run
    finished: bool = True


class CoinWork:
    """A coin with its bars loaded."""

    def __init__(self, task: CoinTask) -> None:
        self.task = task
        self.history = load(task.folder, task.symbol, task.settlements)
        self._bitcoin = np.empty((8, 0))
        if task.symbol == BITCOIN:
            self._bitcoin = without_holes(self.history.five)
        elif task.has_bitcoin:
            self._bitcoin = without_holes(five_minute_bars(task.folder, BITCOIN))
        self.kept = KeptAnalyses(task.kept, self.history, self._bitcoin)
        self.walker = Walker(self.history, self._bitcoin, task.settings)

    def under(self, settings: RuntimeSettings) -> CoinWork:
        """Return the coin under *settings*, with the bars that are loaded here."""
        other = copy(self)
        other.task = replace(self.task, settings=settings)
        if asked_of_analysis(settings) != asked_of_analysis(self.task.settings):
            other.walker = Walker(self.history, self._bitcoin, settings)
        return other

    def path(self, scan_id: int) -> Path:
        """Return the file that keeps the analysis of *scan_id*."""
        last = min(end_of_month(scan_id), self.history.end)
        return self.kept.path(month_of(scan_id), last, self.task.settings)

    def may_pass(self) -> Callable[[int], bool]:
        """Return a function that decides whether a scan can pass gate 4 at all."""
        settings, history = self.task.settings, self.history
        flags = can_pass(
            history.five,
            history.bars["15m"],
            ratio=settings.thresholds_for(history.symbol).volume_ratio,
            obv=settings.analysis.bars == "so far",
        )
        return lambda scan_id: bool(flags[history.column(scan_id) - 1])


def months(first: int, last: int) -> Iterable[range]:
    """Yield the scans from *first* to *last*, each month's by themselves."""
    while first <= last:
        end = min(last, end_of_month(first))
        yield range(first, end + 1, SCAN_MS)
        first = end + SCAN_MS


def prepare(task: CoinTask) -> int:
    """Analyse and keep the scans that gate 4 can pass; return how many were new."""
    work = CoinWork(task)
    counted, may_pass = CoinResult(task.symbol, np.empty((0, 0))), work.may_pass()
    for scans in months(task.first, min(task.last, work.history.end)):
        with work.kept.growing(work.path(scans[0])) as rows:
            for scan_id in scans:
                if work.history.has_bar(scan_id) and (task.all_scores or may_pass(scan_id)):
                    _analysed(work, counted, rows, scan_id)
    return counted.analysed


def run(task: CoinTask, stopped: Stopped = lambda: False) -> CoinResult:
    """Return what matters of the coin's scans; what had to be analysed is kept month by month."""
    return walk(CoinWork(task), stopped)


def walk(work: CoinWork, stopped: Stopped) -> CoinResult:
    """Return what `run` does, of a coin that is loaded."""
    task, history = work.task, work.history
    last = min(task.last, history.end)
    result = CoinResult(task.symbol, bars_to_follow(history), observed_scans(history, task.first, last))
    reducer, may_pass = Reducer(task.market, task.settings), work.may_pass()
    for scans in months(task.first, last):
        with work.kept.growing(work.path(scans[0])) as rows:
            for scan_id in scans:
                if stopped():
                    return replace(result, finished=False)
                is_open = bool(reducer.state.signals)
                if not history.has_bar(scan_id):
                    if is_open:
                        reducer.settle(scan_id, {}, task.degraded.get(scan_id, ""))
                    continue
                result.scans += 1
                if task.all_scores or is_open or may_pass(scan_id):
                    _take(work, result, reducer, rows, scan_id, is_open=is_open)
    return result


def _take(work: CoinWork, result: CoinResult, reducer: Reducer, rows: Rows, scan_id: int, *, is_open: bool) -> None:
    """Analyse *scan_id* where that is not kept, settle it for this coin alone: that shows open signals."""
    analysis = _analysed(work, result, rows, scan_id)
    settings = work.task.settings
    refused = refusals(analysis, settings)
    if is_open or refused <= 1:
        result.rows[scan_id] = rows[scan_id]
    if is_open or not refused:
        reducer.settle(scan_id, {analysis.symbol: analysis}, work.task.degraded.get(scan_id, ""))


def _analysed(work: CoinWork, result: CoinResult, rows: Rows, scan_id: int) -> Analysis:
    """Return the analysis of a scan that has a bar, the same whether it was kept or not."""
    if scan_id in rows:
        result.reused += 1
    else:
        made = work.walker.analyse(scan_id)
        if made is None:
            raise ValueError(f"{work.history.symbol}: no bar closes at {scan_id}")
        rows[scan_id] = packed(made)
        result.analysed += 1
    return unpacked(rows[scan_id])


def entries(task: CoinTask, moments: Sequence[Moment], stopped: Stopped = lambda: False) -> dict[Moment, Entry | None]:
    """Return where the coin can first be entered within each of *moments*: what controls need."""
    work = CoinWork(task)
    counted = CoinResult(task.symbol, np.empty((0, 0)))
    found: dict[Moment, Entry | None] = {}
    with ExitStack() as stack:
        held: dict[str, Rows] = {}

        def entry_at(scan_id: int) -> Entry | None:
            month = month_of(scan_id)
            if month not in held:
                held[month] = stack.enter_context(work.kept.growing(work.path(scan_id)))
            return entry_of(_analysed(work, counted, held[month], scan_id))

        for moment in sorted(moments):
            if stopped():
                break
            scans = range(moment[1], moment[2] + 1, SCAN_MS)
            made = (entry_at(scan_id) for scan_id in scans if work.history.has_bar(scan_id))
            found[moment] = next(filter(None, made), None)
    return found
