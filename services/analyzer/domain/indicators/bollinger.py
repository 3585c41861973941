"""Bollinger bands."""

from __future__ import annotations

from collections.abc import Mapping

from services.analyzer.domain.indicator import Indicator, Reading
from services.analyzer.domain.numeric import Series, clip
from services.analyzer.domain.window import Window


def bands(window: Window) -> tuple[Series, Series, Series]:
    """Return the upper band, the middle and the lower band.

    Source: John Bollinger, Bollinger on Bollinger Bands (2001): SMA 20 ± 2 population standard deviations.
    """
    middle, reach = window.mean_20, window.reach_20
    return middle + reach, middle, middle - reach


def width(values: Mapping[str, float | None]) -> float | None:
    """Return (upper − lower) / middle of the newest values, None where they are not warm.

    Source: Bollinger 2001, BandWidth; TradingView's BBW is the same times 100.
    """
    upper, middle, lower = (values[f"bollinger_{line}"] for line in ("upper", "middle", "lower"))
    return (upper - lower) / middle if upper is not None and lower is not None and middle else None


def vote(reading: Reading) -> float:
    """Vote with the half of the bands that the price is in; in a range against it."""
    half = reading["bollinger_upper"] - reading["bollinger_middle"]
    if half <= 0:
        return 0.0
    place = (reading.close - reading["bollinger_middle"]) / half
    return clip(-1.2 * place if reading.mean_reverting else 1.2 * place)


ENTRY = Indicator(
    name="bollinger",
    family="volatility",
    series=("bollinger_upper", "bollinger_middle", "bollinger_lower"),
    compute=bands,
    warm_up=(19, 19, 19),
    group="momentum",
    vote=vote,
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
