"""Volume against the bars before."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewSeries, Series, clip, mean_of
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD = 20


@kernel
def fill(volume: Series, since: int, line: NewSeries) -> None:
    """Fill *line* from the bar *since* on."""
    for at in range(len(volume)):
        line[at] = math.nan
    for at in range(max(since, PERIOD), len(volume)):
        usual = mean_of(volume, at - 1, PERIOD)
        line[at] = volume[at] / usual if usual > 0.0 else 0.0


def ratio(window: Window) -> tuple[Series]:
    """Return volume / mean volume of the 20 bars before it; 0 where those traded nothing.

    Source: relative volume, as screeners show it, the bar itself left out of the mean.
    """
    line = np.empty(len(window))
    fill(window.volume, window.since, line)
    return (line,)


def vote(context: VoteContext) -> float:
    """Vote with the last three bars' direction, the more the more they traded."""
    window = context.window
    move = (context.close - float(window.open[-3])) / context.atr
    return math.tanh(1.5 * move) * clip(0.5 * max(context.series["volume_ratio"][-3:].tolist()), 0.0, 1.0)


ENTRY = Indicator(
    name="volume_ratio",
    family="volume",
    series=("volume_ratio",),
    compute=ratio,
    warm_up=(20,),
    group="volume",
    vote=vote,
    tolerance=1e-6,
    definition="Volume over the mean of the 20 bars before.",
    parameters="20",
    units="ratio",
    source="relative volume",
    tradingview="TradingView's Relative Volume includes the bar itself in the mean; here it is left out.",
)
