"""Average true range, and how large it is against its own past."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewRows, Series, blank, mean_of, smoothed, true_range
from shared.kernels import kernel

PERIOD, LONG = 14, 100


@kernel
def walk(high: Series, low: Series, close: Series, period: int, since: int, lines: NewRows) -> None:
    """Fill the first of *lines* with Wilder's mean of the true range, the second with its ratio from *since* on."""
    mean = 0.0
    blank(lines, len(close))
    for at in range(len(close)):
        mean = smoothed(mean, true_range(high, low, close, at), at, period)
        if at >= period - 1:
            lines[0, at] = mean
    for at in range(max(since, period + LONG - 2), len(close)):
        usual = mean_of(lines[0], at, LONG)
        lines[1, at] = lines[0, at] / usual if usual != 0.0 else 1.0


def average_true_range(window: Window, period: int) -> Series:
    """Return Wilder's average of the true range, its first value the mean of the first *period*."""
    mean, _ = lines = np.empty((2, len(window)))
    walk(window.high, window.low, window.close, period, len(window), lines)
    return mean


def ranges(window: Window) -> tuple[Series, Series]:
    """Return Wilder's ATR 14, and ATR / mean of its last 100 values (1 where there is no range at all).

    Source: Wilder, New Concepts in Technical Trading Systems (1978), ch. 3.
    """
    lines = np.empty((2, len(window)))
    walk(window.high, window.low, window.close, PERIOD, window.since, lines)
    return lines[0], lines[1]


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
    source="Wilder 1978; the first true range is high − low",
    tradingview="Equal, ta.atr: starts from the mean of 14 true ranges, the very first being high − low.",
)
