"""First stage: the snapshot's bars as windows, once it is known that they can be analysed."""

from __future__ import annotations

from dataclasses import dataclass

from services.analyzer.domain.chart.window import Window, check
from services.analyzer.domain.radar.anomaly import Benchmark
from shared.contracts import FULL_BARS, INTERVALS, NO_RECORD, Interval, MarketSnapshot, RecordChanged
from shared.settings import AnalysisSettings


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be analysed, by which settings, compared to what."""

    snapshot: MarketSnapshot
    settings: AnalysisSettings
    btc: Benchmark | None
    record: RecordChanged = NO_RECORD  #: what earlier signals came to
    hours: float = 24.0  #: how long a target has to be reached


@dataclass(frozen=True, slots=True)
class Windows:
    """A window of each interval, in the order of `INTERVALS`."""

    request: Request
    windows: tuple[Window, ...]
    young: tuple[Interval, ...]  #: intervals that hold fewer bars than a full window


def problem_of(snapshot: MarketSnapshot) -> str:
    """Return why *snapshot* cannot be analysed, or nothing."""
    for problem in snapshot.problems:
        if problem != "zero volume":
            return problem
    for interval in INTERVALS:
        if interval not in snapshot.bars:
            return "insufficient history"
        if (found := check(interval, snapshot.bars[interval].matrix)) is not None:
            return found
    five = snapshot.bars["5m"].matrix
    return "" if int(five[0, -1]) + INTERVALS["5m"] == snapshot.scan_id else "stale"


def open_windows(request: Request) -> Windows:
    """Return the windows, with or without the bars so far: as the settings say."""
    snapshot = request.snapshot
    windows = [Window(interval, snapshot.bars[interval].matrix) for interval in INTERVALS]
    young = tuple(window.interval for window in windows if len(window) < FULL_BARS)
    if request.settings.bars == "closed":
        windows = [window.closed(snapshot.scan_id) for window in windows]
    return Windows(request, tuple(windows), young)
