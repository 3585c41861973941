"""One coin's scans in order of time: the fetcher's windows, the analyzer's analysis, the very functions of both."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from services.analyzer.domain.analysis import analyse
from services.analyzer.domain.radar.anomaly import benchmark
from services.backtest.recorded.futures_data import derivatives_at
from services.backtest.recorded.recording import CoinHistory
from services.fetcher.domain.bars import OPEN_TIME, BarResult
from services.fetcher.domain.derivatives import SymbolDerivatives
from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.snapshot import Coin, snapshot
from services.fetcher.domain.symbol_windows import SymbolWindows
from shared.contracts import FULL_BARS, INTERVALS, SCAN_MS, Analysis, Derivatives, Floats, MarketSnapshot, unpack
from shared.settings import RuntimeSettings

JUMP: Final = 24  #: bars; a scan further on is reached by loading the windows anew
SLACK: Final = 100  #: holes that a window may reach back over
SETTINGS_VERSION: Final = 1


class _Known(SymbolDerivatives):
    """Derivatives that are cut from a recording."""

    def __init__(self, history: CoinHistory) -> None:
        super().__init__()
        self._history = history

    def cut(self, scan_id: int, *, estimated: bool = False) -> Derivatives:
        """Return what was known five minutes before *scan_id*."""
        return derivatives_at(self._history, scan_id)


class Walker:
    """Analyses a coin at any scan; scans in order of time are quickest."""

    def __init__(self, history: CoinHistory, bitcoin: Floats, settings: RuntimeSettings) -> None:
        """*bitcoin* are Bitcoin's five-minute bars, shape (8, m), without holes' columns; empty: not recorded."""
        self._history, self._bitcoin, self._settings = history, bitcoin, settings
        self._coin = Coin(_instrument(history), SymbolWindows(history.symbol), _Known(history))

    def analyse(self, scan_id: int) -> Analysis | None:
        """Return the analysis of *scan_id*, None where no bar closes then."""
        if not self._history.has_bar(scan_id):
            return None
        shown = self.snapshot(scan_id)
        btc = benchmark(unpack(shown.btc_close)) if shown.btc_close else None
        return analyse(shown, self._settings.analysis, btc, hours=self._settings.outcomes.hours)

    def snapshot(self, scan_id: int) -> MarketSnapshot:
        """Return what the fetcher would have published of *scan_id*."""
        self._move(scan_id)
        last = int(np.searchsorted(self._bitcoin[OPEN_TIME], scan_id - SCAN_MS, side="right"))
        bitcoin = self._bitcoin[:, max(0, last - FULL_BARS) : last]
        shown = snapshot(self._coin, bitcoin, scan_id, settings_version=SETTINGS_VERSION, sentiment=None)
        if shown.derivatives.estimated:
            return shown
        observed = tuple(part for part in shown.estimated if part != "derivatives")
        return msgspec.structs.replace(shown, estimated=observed)

    def _move(self, scan_id: int) -> None:
        """Bring the windows to *scan_id*, bar by bar where they are near."""
        windows, history = self._coin.windows, self._history
        if windows.last_close == scan_id:
            return
        if not 0 < scan_id - windows.last_close <= JUMP * SCAN_MS:
            self._load(scan_id)
            return
        for column in range(history.column(windows.last_close), history.column(scan_id)):
            bar = history.five[:, column]
            if np.isfinite(bar[1]) and windows.take(bar) not in (BarResult.APPENDED, BarResult.QUARANTINED):
                self._load(scan_id)  # a hole lies between: the fetcher asks for the whole window then
                return

    def _load(self, scan_id: int) -> None:
        windows = SymbolWindows(self._history.symbol)
        closed = {}
        for interval, length in INTERVALS.items():
            end = (scan_id - self._history.genesis) // length
            closed[interval] = self._history.bars[interval][:, max(0, end - FULL_BARS - SLACK) : end]
        windows.load(closed)
        self._coin.windows = windows


def _instrument(history: CoinHistory) -> Instrument:
    """Return the coin, what its bars lack named; an order book is missing, not estimated."""
    lacking = tuple(part for part in history.estimated if part != "depth")
    return Instrument(symbol=history.symbol, tick_size=history.tick, onboard_date=0, tradable=True, estimated=lacking)


def without_holes(bars: Floats) -> Floats:
    """Return the columns of *bars* that are recorded."""
    return bars[:, np.isfinite(bars[1])]
