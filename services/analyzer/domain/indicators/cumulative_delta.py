"""Cumulative delta: takers' buying less their selling, per UTC day."""

from __future__ import annotations

from services.analyzer.domain.chart.day_sums import day_sums
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, clip
from services.analyzer.domain.vote_context import VoteContext

BARS = 8


def delta(window: Window) -> tuple[Series]:
    """Return the running sum of 2 × taker buy volume − volume of the UTC day; empty without taker data.

    Source: Binance's klines carry the taker's buy volume, so no lower timeframe has to stand in.
    """
    return (window.shared(day_sums)[1],)


def vote(context: VoteContext) -> float:
    """Vote with the takers' balance over eight bars."""
    volume = sum(context.window.volume[-BARS:].tolist())
    balance = 2.0 * sum(context.window.taker[-BARS:].tolist()) - volume
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
    needs=("taker flow",),
    scale="volume",
    anchored=True,
    definition="Sum since 00:00 UTC of 2 × taker buy volume − volume.",
    parameters="anchor 00:00 UTC",
    units="volume",
    source="Binance klines, taker buy base asset volume",
    tradingview="Not comparable: TradingView infers the side from a lower timeframe, the exchange says it.",
)
