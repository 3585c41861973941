"""Williams %R."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewSeries, Series, clip, highest_of, lowest_of
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD = 14


@kernel
def fill(high: Series, low: Series, close: Series, since: int, line: NewSeries) -> None:
    """Fill *line* from the bar *since* on."""
    start = max(since, PERIOD - 1)
    for at in range(len(close)):
        line[at] = math.nan
    for at in range(start, len(close)):
        highest, lowest = highest_of(high, at, PERIOD), lowest_of(low, at, PERIOD)
        line[at] = (highest - close[at]) / ((highest - lowest) / -100.0) if highest > lowest else -50.0


def percent_range(window: Window) -> tuple[Series]:
    """Return −100 × (highest high − close) / (highest high − lowest low); −50 where there is no range.

    Source: Larry Williams, How I Made One Million Dollars (1973).
    """
    line = np.empty(len(window))
    fill(window.high, window.low, window.close, window.since, line)
    return (line,)


def vote(context: VoteContext) -> float:
    """Vote with the half of the range; in a range against the extreme."""
    distance = (context["williams_r"] + 50.0) / 40.0
    return clip(-distance if context.mean_reverting else distance)


ENTRY = Indicator(
    name="williams_r",
    family="momentum",
    series=("williams_r",),
    compute=percent_range,
    warm_up=(13,),
    group="momentum",
    vote=vote,
    weight=0.6,
    definition="Where the close stands in the range of 14 bars, from the top.",
    parameters="14",
    units="−100 to 0",
    source="Williams 1973",
    tradingview="Equal, ta.wpr; without a range −50 here, nothing there.",
)
