"""MACD: the difference of two exponential averages, and its signal."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewRows, Series, averaged, blank
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

FAST, SLOW, SIGNAL = 12, 26, 9


@kernel
def follow(close: Series, lines: NewRows) -> None:
    """Fill *lines* with line, signal and histogram; each average starts from the mean of its first values."""
    fast = slow = signal = 0.0
    blank(lines, SLOW + SIGNAL)
    for at in range(len(close)):
        fast = averaged(fast, close[at], at, FAST)
        slow = averaged(slow, close[at], at, SLOW)
        if at >= SLOW - 1:
            lines[0, at] = fast - slow
            signal = averaged(signal, fast - slow, at + 1 - SLOW, SIGNAL)
        if at >= SLOW + SIGNAL - 2:
            lines[1, at] = signal
            lines[2, at] = fast - slow - signal


def macd(window: Window) -> tuple[Series, Series, Series]:
    """Return the line, the signal and the histogram.

    Source: TradingView, MACD: both averages start from their own SMA, the signal from the line's first nine values.
    """
    lines = np.empty((3, len(window)))
    follow(window.close, lines)
    return lines[0], lines[1], lines[2]


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
