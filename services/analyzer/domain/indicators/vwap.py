"""Volume-weighted average price since 00:00 UTC."""

from __future__ import annotations

import math

from services.analyzer.domain.chart.day_sums import day_sums
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series
from services.analyzer.domain.vote_context import VoteContext


def vwap(window: Window) -> tuple[Series]:
    """Return Σ typical price × volume / Σ volume of the UTC day; the typical price while nothing has traded.

    NaN before the window's first midnight: the day it begins in is not whole.
    Source: TradingView, VWAP anchored to the session.
    """
    return (window.shared(day_sums)[0],)


def vote(context: VoteContext) -> float:
    """Vote with the price's side of it."""
    return math.tanh(1.5 * (context.close - context["vwap"]) / context.atr)


ENTRY = Indicator(
    name="vwap",
    family="volume",
    series=("vwap",),
    compute=vwap,
    warm_up=(0,),
    group="structure",
    vote=vote,
    weight=1.0,
    scale="price",
    anchored=True,
    definition="Mean of (high + low + close) / 3 since 00:00 UTC, weighted by volume.",
    parameters="anchor 00:00 UTC",
    units="price",
    source="TradingView, VWAP (session, hlc3)",
    tradingview="Equal; the first, incomplete day of a window is left empty.",
)
