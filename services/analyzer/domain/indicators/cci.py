"""Commodity channel index."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewRows, Series, blank, clip, mean_of
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD, SCALE = 20, 0.015


@kernel
def fill(high: Series, low: Series, close: Series, since: int, lines: NewRows) -> None:
    """Fill the first of *lines* with the index from the bar *since* on; the second is the typical price."""
    start = max(since, PERIOD - 1)
    blank(lines, start)
    for at in range(max(start - PERIOD + 1, 0), len(close)):
        lines[1, at] = (high[at] + low[at] + close[at]) / 3.0
    for at in range(start, len(close)):
        mean, deviation = mean_of(lines[1], at, PERIOD), 0.0
        for place in range(at + 1 - PERIOD, at + 1):
            deviation += abs(lines[1, place] - mean)
        distance = lines[1, at] - mean
        lines[0, at] = distance / (SCALE * (deviation / PERIOD)) if distance != 0.0 and deviation != 0.0 else 0.0


def channel_index(window: Window) -> tuple[Series]:
    """Return (typical price − its SMA) / (0.015 × its mean deviation); 0 without deviation.

    Source: Donald Lambert, Commodities magazine (October 1980).
    """
    lines = np.empty((2, len(window)))
    fill(window.high, window.low, window.close, window.since, lines)
    return (lines[0],)


def vote(context: VoteContext) -> float:
    """Vote with momentum; in a range against the extreme."""
    distance = context["cci"] / 100.0
    return clip(-distance if context.mean_reverting else distance)


ENTRY = Indicator(
    name="cci",
    family="momentum",
    series=("cci",),
    compute=channel_index,
    warm_up=(19,),
    group="momentum",
    vote=vote,
    weight=0.8,
    tolerance=1e-6,
    definition="Distance of (high + low + close) / 3 from its mean, in mean deviations of 0.015.",
    parameters="20",
    units="none",
    source="Lambert 1980",
    tradingview="Equal to ta.cci of hlc3: mean deviation, not standard deviation.",
)
