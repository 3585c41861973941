"""Wilder's relative strength index."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, clip, talib
from services.analyzer.domain.vote_context import VoteContext

PERIOD = 14


def wilder_rsi(window: Window) -> Series:
    """Return the one line that the entry has, for those who build on it: ask by `window.shared(wilder_rsi)`."""
    values: Series = talib.RSI(window.close, PERIOD)
    # TA-Lib says 0 as long as nothing has changed since the first bar; without losses it is 100
    if len(values) > PERIOD and values[PERIOD] == 0.0:
        quiet = talib.MAX(window.close, PERIOD + 1) == talib.MIN(window.close, PERIOD + 1)
        values[quiet & (values == 0.0)] = 100.0
    return values


def rsi(window: Window) -> tuple[Series]:
    """Return Wilder's RSI 14, 0 to 100; a window without losses is 100.

    Source: Wilder, New Concepts in Technical Trading Systems (1978), ch. 6.
    """
    return (window.shared(wilder_rsi),)


def vote(context: VoteContext) -> float:
    """Vote with momentum; in a range against the extreme."""
    distance = (context["rsi"] - 50.0) / 20.0
    return clip(-distance if context.mean_reverting else distance)


ENTRY = Indicator(
    name="rsi",
    family="momentum",
    series=("rsi",),
    compute=rsi,
    warm_up=(14,),
    group="momentum",
    vote=vote,
    weight=1.2,
    tolerance=1e-6,
    definition="100 − 100 / (1 + average gain / average loss), Wilder's averages.",
    parameters="14",
    units="0 to 100",
    source="Wilder 1978; TA-Lib RSI",
    tradingview="Equal, ta.rsi; a window without any change is 100 here and there (TA-Lib says 0).",
)
