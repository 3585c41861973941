"""Third stage: each interval's swings and regime, and the levels that 1h and 4h have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.analyzer.domain.chart import levels, regime
from services.analyzer.domain.chart.levels import LevelMap
from services.analyzer.domain.chart.regime import RegimeFigures
from services.analyzer.domain.chart.swings import Swings, find_swings
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import Series
from services.analyzer.domain.stages.series import IndicatorSeries
from services.analyzer.domain.stages.windows import Request
from shared.contracts import Interval

LEAST_RANGE: Final = 1e-9  #: of the price: a market without any range is divided by this


@dataclass(frozen=True, slots=True)
class Chart:
    """One interval: its recent bars, everything computed over them, and how many of them have closed."""

    window: Window
    series: Mapping[str, Series]
    swings: Swings
    closed: int
    regime: RegimeFigures

    @property
    def atr(self) -> float:
        """ATR 14, never zero."""
        return max(float(self.series["atr"][-1]), LEAST_RANGE * float(self.window.close[-1]))


@dataclass(frozen=True, slots=True)
class Charts:
    """A chart of each interval, and the levels to trade between."""

    request: Request
    by_interval: Mapping[Interval, Chart]
    levels: LevelMap
    young: tuple[Interval, ...]  #: as in `Windows`

    @property
    def price(self) -> float:
        """The close of the last five-minute bar."""
        return float(self.by_interval["5m"].window.close[-1])


def draw_charts(series: IndicatorSeries) -> Charts:
    """Return each interval's chart, and the levels of the swings on 1h and 4h."""
    request, windows = series.windows.request, series.windows
    charts = {
        window.interval: _chart(window.recent, values, request)
        for window, values in zip(windows.windows, series.by_window, strict=True)
    }
    hour, four_hours = charts["1h"], charts["4h"]
    swings = [(hour.window, hour.swings), (four_hours.window, four_hours.swings)]
    drawn = levels.draw(swings, hour.atr, request.snapshot.scan_id)
    return Charts(request, charts, drawn, windows.young)


def _chart(window: Window, series: Mapping[str, Series], request: Request) -> Chart:
    closed = len(window) - (not window.is_closed(request.snapshot.scan_id))
    swings = find_swings(window, closed=closed)
    volatile_ratio = request.settings.volatile_atr_ratio
    judged = regime.judge(window, series, swings, closed=closed, volatile_ratio=volatile_ratio)
    return Chart(window, series, swings, closed, judged)
