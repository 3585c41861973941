"""Ichimoku: the lines and the spans that are seen at a bar."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, talib
from services.analyzer.domain.vote_context import VoteContext

PERIODS = (9, 26, 52)
SHIFT = 25  #: a displacement of 26 counts the bar itself


def ichimoku(window: Window) -> tuple[Series, ...]:
    """Return tenkan, kijun and the two spans shown at each bar (computed 25 bars before).

    Source: TradingView, Ichimoku Cloud (9, 26, 52, displacement 26: the plot's offset is displacement − 1).
    """
    tenkan, kijun, slow = (talib.MIDPRICE(window.high, window.low, period) for period in PERIODS)
    shown = np.empty((2, len(window)))
    shown[:, :SHIFT] = np.nan
    np.multiply(0.5, (tenkan + kijun)[:-SHIFT], out=shown[0, SHIFT:])
    shown[1, SHIFT:] = slow[:-SHIFT]
    return tenkan, kijun, shown[0], shown[1]


def vote(context: VoteContext) -> float:
    """Vote with the price's side of the cloud it is in now, and tenkan's of kijun."""
    top, bottom = (pick(context["senkou_a"], context["senkou_b"]) for pick in (max, min))
    beyond = max(0.0, context.close - top) + min(0.0, context.close - bottom)
    cross = (context["tenkan"] - context["kijun"]) / context.atr
    return 0.6 * math.tanh(2.0 * beyond / context.atr) + 0.4 * math.tanh(2.0 * cross)


ENTRY = Indicator(
    name="ichimoku",
    family="trend",
    series=("tenkan", "kijun", "senkou_a", "senkou_b"),
    compute=ichimoku,
    warm_up=(8, 25, 50, 76),
    group="trend",
    vote=vote,
    weight=0.8,
    scale="price",
    definition="Middles of the range over 9 and 26 bars; spans of 25 bars before: their mean, the middle over 52.",
    parameters="9, 26, 52, displacement 26",
    units="price",
    source="TradingView, Ichimoku Cloud",
    tradingview="Equal: senkou_a and senkou_b are the spans drawn at that bar.",
)
