"""Votes that come from no single indicator: structure, impulse, levels and the futures market."""

from __future__ import annotations

import math
from typing import Final

from services.analyzer.domain.chart.levels import LevelMap, nearest
from services.analyzer.domain.chart.regime import RegimeFigures
from services.analyzer.domain.futures import fmqs
from services.analyzer.domain.futures.figures import FuturesFigures
from services.analyzer.domain.indicator import Voter
from services.analyzer.domain.numeric import clip
from services.analyzer.domain.vote_context import VoteContext

CONTEXT_VOTES: Final[dict[str, Voter]] = {
    "swing_structure": Voter("price action", 1.0),
    "impulse": Voter("price action", 1.0),
    "levels": Voter("structure", 1.0),
    "funding": Voter("derivatives", 1.0, ("funding",)),
    "open_interest": Voter("derivatives", 1.2, ("open interest",)),
    "skew": Voter("derivatives", 0.8, ("long/short ratio",)),
    "imbalance": Voter("derivatives", 0.5, ("order book",)),
}
IMPULSE_BARS: Final = 3
FAR: Final = 3.0  #: ATR: how far away a level counts as none


def chart_votes(context: VoteContext, figures: RegimeFigures, drawn: LevelMap) -> dict[str, float]:
    """Return the votes of one interval's chart."""
    return {
        "swing_structure": figures.swing if figures.swing else 0.5 * figures.direction,
        "impulse": impulse(context),
        "levels": room(context, drawn),
    }


def impulse(context: VoteContext) -> float:
    """Vote with the last three bars' move, in ATR."""
    window = context.window
    return math.tanh((context.close - float(window.open[-IMPULSE_BARS])) / context.atr)


def room(context: VoteContext, drawn: LevelMap) -> float:
    """Vote for the side with more room to the next level; in a trend for the side without any level left."""
    below, above = nearest(drawn, context.close)
    under = FAR if below is None else min(FAR, (context.close - below) / context.atr)
    over = FAR if above is None else min(FAR, (above - context.close) / context.atr)
    return clip((over - under) / FAR)


def futures_votes(figures: FuturesFigures) -> dict[str, float]:
    """Return the votes of the futures market; what is not fresh does not vote."""
    parts = {
        "funding": _lean(fmqs.funding(figures, 1.0), fmqs.funding(figures, -1.0)),
        "open_interest": _lean(fmqs.open_interest(figures, 1.0), fmqs.open_interest(figures, -1.0)),
        "skew": _lean(fmqs.skew(figures, 1.0), fmqs.skew(figures, -1.0)),
        "imbalance": None if figures.imbalance is None else clip(2.0 * figures.imbalance),
    }
    return {name: vote for name, vote in parts.items() if vote is not None}


def _lean(long: float | None, short: float | None) -> float | None:
    return None if long is None or short is None else clip((long - short) / 100.0)
