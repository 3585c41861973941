"""Money flow index."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, clip, divide, forget, talib
from services.analyzer.domain.vote_context import VoteContext

PERIOD = 14


def money_flow(window: Window) -> tuple[Series]:
    """Return the share of rising money flow over 14 bars, 0 to 100; 50 where nothing flowed.

    Source: Quong and Soudack, Technical Analysis of Stocks & Commodities (1989).
    """
    flow = window.turnover * np.sign(talib.MOM(window.typical, 1))
    into = np.maximum(flow, 0.0)
    rising, falling = _sums(into), _sums(into - flow)
    falling += rising
    values = divide(rising, forget(falling, flow, PERIOD), 0.5)
    values *= 100.0
    return (values,)


def _sums(flow: Series) -> Series:
    # TA-Lib's MFI itself takes a flow below 1 for none at all, which is wrong for small coins and prices
    sums: Series = talib.SUM(flow, PERIOD)
    return np.maximum(sums, 0.0, out=sums)


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
