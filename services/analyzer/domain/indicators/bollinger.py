"""Bollinger bands."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator, Newest
from services.analyzer.domain.numeric import NewRows, Series, blank, clip, mean_of
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD, DEVIATIONS = 20, 2.0


@kernel
def reach(close: Series, at: int) -> float:
    """Return how far the bands lie from their middle at the bar *at*: two population standard deviations."""
    mean, squares = mean_of(close, at, PERIOD), 0.0
    for place in range(at + 1 - PERIOD, at + 1):
        squares += (close[place] - mean) * (close[place] - mean)
    return DEVIATIONS * math.sqrt(squares / PERIOD)


@kernel
def fill(close: Series, since: int, lines: NewRows) -> None:
    """Fill *lines* with the upper band, the middle and the lower band from the bar *since* on."""
    start = max(since, PERIOD - 1)
    blank(lines, start)
    for at in range(start, len(close)):
        middle, half = mean_of(close, at, PERIOD), reach(close, at)
        lines[0, at] = middle + half
        lines[1, at] = middle
        lines[2, at] = middle - half


def bands(window: Window) -> tuple[Series, Series, Series]:
    """Return the upper band, the middle and the lower band.

    Source: John Bollinger, Bollinger on Bollinger Bands (2001): SMA 20 ± 2 population standard deviations.
    """
    lines = np.empty((3, len(window)))
    fill(window.close, window.since, lines)
    return lines[0], lines[1], lines[2]


def width(newest: Newest) -> float | None:
    """Return (upper − lower) / middle of the newest values, None where they are not warm.

    Source: Bollinger 2001, BandWidth; TradingView's BBW is the same times 100.
    """
    upper, middle, lower = (newest[f"bollinger_{line}"] for line in ("upper", "middle", "lower"))
    return (upper - lower) / middle if upper is not None and lower is not None and middle else None


def vote(context: VoteContext) -> float:
    """Vote with the half of the bands that the price is in; in a range against it."""
    half = context["bollinger_upper"] - context["bollinger_middle"]
    if half <= 0:
        return 0.0
    place = (context.close - context["bollinger_middle"]) / half
    return clip(-1.2 * place if context.mean_reverting else 1.2 * place)


ENTRY = Indicator(
    name="bollinger",
    family="volatility",
    series=("bollinger_upper", "bollinger_middle", "bollinger_lower"),
    compute=bands,
    warm_up=(19, 19, 19),
    group="momentum",
    vote=vote,
    derived=(("bollinger_width", width),),
    weight=0.8,
    scale="price",
    tolerance=1e-6,
    definition="SMA 20 of the close ± 2 population standard deviations. The record of an analysis also holds "
    "bollinger_width, (upper − lower) / middle.",
    parameters="20, 2.0",
    units="price",
    source="Bollinger 2001",
    tradingview="Equal, ta.bb.",
)
