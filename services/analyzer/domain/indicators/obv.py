"""On-balance volume."""

from __future__ import annotations

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import Series, clip, slope, talib
from services.analyzer.domain.vote_context import VoteContext

BARS = 8


def balance(window: Window) -> tuple[Series]:
    """Return the running sum of volume, signed by the close's change; it starts from zero.

    Source: Joseph Granville, New Key to Stock Market Profits (1963).
    """
    return (talib.OBV(window.close, window.volume) - float(window.volume[0]),)


def vote(context: VoteContext) -> float:
    """Vote with its slope over eight bars, in mean volumes."""
    mean = sum(context.window.volume[-BARS:].tolist()) / BARS
    return clip(2.5 * slope(context.series["obv"][-BARS:]) / mean) if mean > 0 else 0.0


ENTRY = Indicator(
    name="obv",
    family="volume",
    series=("obv",),
    compute=balance,
    warm_up=(0,),
    group="volume",
    vote=vote,
    scale="volume",
    drifts=True,
    definition="Running sum of the volume, added when the close rises and subtracted when it falls.",
    parameters="none",
    units="volume",
    source="Granville 1963; TA-Lib OBV",
    tradingview="Equal in its differences, ta.obv: its level depends on the first bar loaded, here and there.",
)
