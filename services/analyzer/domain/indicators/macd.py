"""MACD: the difference of two exponential averages, and its signal."""

from __future__ import annotations

import math

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, talib
from services.analyzer.domain.vote_context import VoteContext

FAST, SLOW, SIGNAL = 12, 26, 9


def macd(window: Window) -> tuple[Series, Series, Series]:
    """Return the line, the signal and the histogram.

    Source: TradingView, MACD: both averages start from their own SMA, the signal from the line's first nine values.
    """
    line = talib.EMA(window.close, FAST) - talib.EMA(window.close, SLOW)
    signal = talib.EMA(line, SIGNAL)
    return line, signal, line - signal


def vote(context: VoteContext) -> float:
    """Vote with the line and the histogram; in a range with the histogram's turn."""
    step = (context["macd_histogram"] - context.before("macd_histogram")) / context.atr
    if context.mean_reverting:
        return math.tanh(20.0 * step)
    return 0.5 * math.tanh(2.0 * context["macd"] / context.atr) + 0.5 * math.tanh(
        8.0 * context["macd_histogram"] / context.atr
    )


ENTRY = Indicator(
    name="macd",
    family="momentum",
    series=("macd", "macd_signal", "macd_histogram"),
    compute=macd,
    warm_up=(25, 33, 33),
    group="momentum",
    vote=vote,
    scale="price",
    tolerance=1e-6,
    definition="EMA 12 − EMA 26 of the close; signal: EMA 9 of it; histogram: their difference.",
    parameters="12, 26, 9",
    units="price",
    source="TradingView, MACD",
    tradingview="Equal. TA-Lib's own MACD starts the fast average later and differs in the first hundred bars.",
)
