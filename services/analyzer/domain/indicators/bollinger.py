"""Bollinger bands."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator, Newest
from services.analyzer.domain.numeric import Series, clip, talib
from services.analyzer.domain.vote_context import VoteContext


def reach(window: Window) -> Series:
    """Return two population standard deviations of the last 20 closes."""
    values: Series = talib.STDDEV(window.close, 20, 2.0)
    return values


def bands(window: Window) -> tuple[Series, Series, Series]:
    """Return the upper band, the middle and the lower band.

    Source: John Bollinger, Bollinger on Bollinger Bands (2001): SMA 20 ± 2 population standard deviations.
    """
    middle, half = window.mean_20, window.shared(reach)
    return middle + half, middle, middle - half


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
    source="Bollinger 2001; TA-Lib SMA, STDDEV",
    tradingview="Equal, ta.bb.",
)
