"""Money flow index."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewRows, Series, blank, clip
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD = 14


@kernel
def fill(high: Series, low: Series, close: Series, volume: Series, since: int, lines: NewRows) -> None:
    """Fill the first of *lines* from the bar *since* on; the second is the typical price."""
    start = max(since, PERIOD)
    blank(lines, start)
    for at in range(max(start - PERIOD, 0), len(close)):
        lines[1, at] = (high[at] + low[at] + close[at]) / 3.0
    for at in range(start, len(close)):
        rising = falling = 0.0
        for place in range(at + 1 - PERIOD, at + 1):
            change, flow = lines[1, place] - lines[1, place - 1], lines[1, place] * volume[place]
            rising += flow if change > 0.0 else 0.0
            falling += flow if change < 0.0 else 0.0
        lines[0, at] = 100.0 * (rising / (rising + falling)) if rising + falling > 0.0 else 50.0


def money_flow(window: Window) -> tuple[Series]:
    """Return the share of rising money flow over 14 bars, 0 to 100; 50 where nothing flowed.

    TA-Lib's MFI takes a flow below 1 for none at all, which is wrong for small coins and prices.
    Source: Quong and Soudack, Technical Analysis of Stocks & Commodities (1989).
    """
    lines = np.empty((2, len(window)))
    fill(window.high, window.low, window.close, window.volume, window.since, lines)
    return (lines[0],)


def vote(context: VoteContext) -> float:
    """Vote with the flow; in a range against the extreme."""
    distance = (context["mfi"] - 50.0) / 25.0
    return clip(-0.7 * distance if context.mean_reverting else distance)


ENTRY = Indicator(
    name="mfi",
    family="volume",
    series=("mfi",),
    compute=money_flow,
    warm_up=(14,),
    group="volume",
    vote=vote,
    weight=0.8,
    tolerance=1e-6,
    definition="Rising share of typical price × volume, by the typical price's change, in percent.",
    parameters="14",
    units="0 to 100",
    source="Quong and Soudack 1989",
    tradingview="Equal, ta.mfi of hlc3; where nothing flowed 50 here.",
)
