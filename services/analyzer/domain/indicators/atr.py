"""Average true range, and how large it is against its own past."""

from __future__ import annotations

from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, divide, talib
from services.analyzer.domain.window import Window

PERIOD, LONG = 14, 100


def ranges(window: Window) -> tuple[Series, Series]:
    """Return Wilder's ATR 14, and ATR / mean of its last 100 values (1 where there is no range at all).

    Source: Wilder, New Concepts in Technical Trading Systems (1978), ch. 3.
    """
    atr = window.mean_range(PERIOD)
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
