"""Cumulative delta: takers' buying less their selling, per UTC day."""

from __future__ import annotations

from services.analyzer.domain.indicator import Indicator, Reading
from services.analyzer.domain.numeric import Series, clip
from services.analyzer.domain.window import Window

BARS = 8


def delta(window: Window) -> tuple[Series]:
    """Return the running sum of 2 × taker buy volume − volume of the UTC day; empty without taker data.

    Source: Binance's klines carry the taker's buy volume, so no lower timeframe has to stand in.
    """
    return (window.day_sums[2],)


def vote(reading: Reading) -> float:
    """Vote with the takers' balance over eight bars."""
    volume = sum(reading.window.volume[-BARS:].tolist())
    balance = 2.0 * sum(reading.window.taker[-BARS:].tolist()) - volume
    return clip(8.0 * balance / volume) if volume > 0 else 0.0


ENTRY = Indicator(
    name="cumulative_delta",
    family="volume",
    series=("cumulative_delta",),
    compute=delta,
    warm_up=(0,),
    group="volume",
    vote=vote,
    weight=1.2,
    scale="volume",
    anchored=True,
    definition="Sum since 00:00 UTC of 2 × taker buy volume − volume.",
    parameters="anchor 00:00 UTC",
    units="volume",
    source="Binance klines, taker buy base asset volume",
    tradingview="Not comparable: TradingView infers the side from a lower timeframe, the exchange says it.",
)
