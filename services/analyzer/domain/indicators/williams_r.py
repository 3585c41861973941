"""Williams %R."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, clip, talib
from services.analyzer.domain.vote_context import VoteContext

PERIOD = 14


def percent_range(window: Window) -> tuple[Series]:
    """Return −100 × (highest high − close) / (highest high − lowest low); −50 where there is no range.

    Source: Larry Williams, How I Made One Million Dollars (1973).
    """
    values: Series = talib.WILLR(window.high, window.low, window.close, PERIOD)
    if np.count_nonzero(values) < len(values):  # TA-Lib says 0 at the top, and where there is no range
        values[talib.MAX(window.high, PERIOD) == talib.MIN(window.low, PERIOD)] = -50.0
    return (values,)


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
