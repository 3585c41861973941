"""Average true range, and how large it is against its own past."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, divide, talib

PERIOD, LONG = 14, 100


def with_bar_before(window: Window) -> tuple[Series, Series, Series]:
    """Return high, low and close behind a bar whose close is the first low: the first true range is high − low."""
    rows = np.empty((3, len(window) + 1))
    rows[0, 1:], rows[1, 1:], rows[2, 1:] = window.high, window.low, window.close
    rows[:, 0] = window.high[0], window.low[0], window.low[0]
    return rows[0], rows[1], rows[2]


def average_true_range(window: Window, period: int) -> Series:
    """Return Wilder's average of the true range, its first value the mean of the first *period*."""
    values: Series = talib.ATR(*window.shared(with_bar_before), period)
    return values[1:]


def true_range(window: Window) -> Series:
    """Return max(high, close before) − min(low, close before); of the first bar high − low."""
    values: Series = talib.TRANGE(*window.shared(with_bar_before))
    return values[1:]


def ranges(window: Window) -> tuple[Series, Series]:
    """Return Wilder's ATR 14, and ATR / mean of its last 100 values (1 where there is no range at all).

    Source: Wilder, New Concepts in Technical Trading Systems (1978), ch. 3.
    """
    atr = average_true_range(window, PERIOD)
    return atr, divide(atr, talib.SMA(atr, LONG), 1.0)


ENTRY = Indicator(
    name="atr",
    family="volatility",
    series=("atr", "atr_ratio"),
    compute=ranges,
    warm_up=(13, 112),
    scale="price",
    tolerance=1e-3,
    definition="Wilder's mean of the true range; the ratio divides it by the mean of its last 100 values.",
    parameters="14; 100",
    units="price; ratio",
    source="Wilder 1978; TA-Lib ATR behind a bar that makes the first true range high − low",
    tradingview="Equal, ta.atr: starts from the mean of 14 true ranges, the very first being high − low.",
)
