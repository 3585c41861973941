"""A coin with its bars loaded: its analyses, made or kept, and its scans settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from services.backtest.kept import KeptAnalyses, KeptMonth, Scans, asked_of_analysis, end_of_month, joined, unpacked
from services.backtest.outcomes import Entry, bars_to_follow, entry_of
from services.backtest.recorded.observed import Flags, Settlements
from services.backtest.recorded.recording import BITCOIN, bitcoin_bars, load
from services.backtest.scans.candidates import candidates
from services.backtest.scans.reduce import ScanResult
from services.backtest.scans.settling import CoinScans, clear_scans, settled
from services.backtest.volume_gate import can_pass
from services.backtest.walk import Walker, without_holes
from services.fetcher.domain.bars import CLOSE
from shared.contracts import SCAN_MS, Analysis, Floats
from shared.settings import RuntimeSettings

Stopped = Callable[[], bool]


class StoppedError(Exception):
    """The run was asked to stop."""


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
    end: int  #: of all coins' recordings
    degraded: Mapping[int, str]
    settlements: Settlements | None = None
    all_scores: bool = False
    has_bitcoin: bool = True


class CoinWork:
    """A coin with its bars loaded."""

    def __init__(self, task: CoinTask, stopped: Stopped = lambda: False) -> None:
        self.task = task
        self.history = load(task.folder, task.symbol, task.settlements)
        self._stopped = stopped
        self._bitcoin = np.empty((8, 0))
        if task.symbol == BITCOIN:
            self._bitcoin = without_holes(self.history.five)
        elif task.has_bitcoin:
            self._bitcoin = bitcoin_bars(task.folder)
        self._kept = KeptAnalyses(task.kept, self.history, self._bitcoin)
        self.saving = self._kept.saving
        self._begin()

    def _begin(self) -> None:
        self.walker = Walker(self.history, self._bitcoin, self.task.settings)
        self._months: dict[int, KeptMonth] = {}  # by their last scan
        self._asked: set[int] = set()
        self.analysed = 0  #: anew

    def under(self, settings: RuntimeSettings) -> CoinWork:
        """Return the coin under *settings*, with the bars and analyses that are loaded here."""
        other = copy(self)
        other.task = replace(self.task, settings=settings)
        if asked_of_analysis(settings) != asked_of_analysis(self.task.settings):
            other._begin()
        return other

    @property
    def reused(self) -> int:
        """How many of the analyses that were asked for an earlier run had kept."""
        return len(self._asked) - self.analysed

    @cached_property
    def bars(self) -> Floats:
        """The bars that outcomes are followed by, as `bars_to_follow` returns them."""
        return bars_to_follow(self.history)

    @cached_property
    def _clear(self) -> Flags:
        return clear_scans(self.history.five)

    def analysis(self, scan_id: int) -> Analysis:
        """Return the analysis of a scan that has a bar, the same whether it was kept or not."""
        month = self._month(scan_id)
        self._keep(month, scan_id)
        return unpacked(month.rows[scan_id])

    def _month(self, scan_id: int) -> KeptMonth:
        last = end_of_month(scan_id)
        if last not in self._months:
            self._months[last] = self._kept.month(self._kept.path(scan_id, self.task.settings))
        return self._months[last]

    def _is_kept(self, scan_id: int) -> bool:
        return scan_id in self._month(scan_id).rows

    def _keep(self, month: KeptMonth, scan_id: int) -> None:
        """Analyse *scan_id* where that is not kept in its *month*."""
        self._asked.add(scan_id)
        if scan_id in month.rows:
            return
        if self._stopped():
            raise StoppedError
        made = self.walker.analyse(scan_id)
        if made is None:
            raise ValueError(f"{self.history.symbol}: no bar closes at {scan_id}")
        month.add(made)
        self.analysed += 1

    def scans(self) -> Scans:
        """Return the task's scans that have a bar."""
        history = self.history
        last = min(self.task.last, history.end)
        columns = np.arange(history.column(self.task.first), history.column(last) + 1)
        there = np.isfinite(history.five[CLOSE, columns - 1])
        return np.asarray(history.genesis + columns[there] * SCAN_MS)

    def wanted(self) -> Scans:
        """Return those of `scans` that gate 4 can pass; all of them where the task wants every score."""
        settings, history, scans = self.task.settings, self.history, self.scans()
        if self.task.all_scores:
            return scans
        flags = can_pass(
            history.five,
            history.bars["15m"],
            ratio=settings.thresholds_for(history.symbol).volume_ratio,
            obv=settings.analysis.bars == "so far",
        )
        return scans[flags[(scans - history.genesis) // SCAN_MS - 1]]

    def analyse(self) -> None:
        """Analyse what is `wanted`; each month is kept at once."""
        for scans in by_month(self.wanted()):
            with self.saving():
                month = self._month(scans[0])
                for scan_id in scans:
                    self._keep(month, scan_id)

    def settled(self) -> Iterator[ScanResult]:
        """Yield the results of the scans at which something can happen, oldest first."""
        self.analyse()
        wanted, task = self.wanted(), self.task
        table = joined([self._month(scans[0]).table() for scans in by_month(wanted)])
        chosen = candidates(table.at(wanted), task.settings.thresholds_for(task.symbol))
        coin = CoinScans(
            self.history,
            task.settings,
            task.market,
            task.first,
            task.last,
            task.degraded,
            self._clear,
            self.analysis,
            self._is_kept,
        )
        return settled(coin, chosen.tolist())

    def entry(self, first: int, last: int) -> Entry | None:
        """Return where the coin can first be entered from the scan *first* to *last*."""
        scans = range(first, last + 1, SCAN_MS)
        entries = (entry_of(self.analysis(scan_id)) for scan_id in scans if self.history.has_bar(scan_id))
        return next(filter(None, entries), None)


def months(first: int, last: int) -> Iterable[range]:
    """Yield the scans from *first* to *last*, each month's by themselves."""
    while first <= last:
        end = min(last, end_of_month(first))
        yield range(first, end + 1, SCAN_MS)
        first = end + SCAN_MS


def by_month(scans: Scans) -> Iterable[list[int]]:
    """Yield *scans*, which are in order, each month's by themselves."""
    start = 0
    while start < len(scans):
        end = int(np.searchsorted(scans, end_of_month(int(scans[start])), side="right"))
        yield scans[start:end].tolist()
        start = end
