"""Stochastic RSI."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.indicators.rsi import wilder_rsi
from services.analyzer.domain.numeric import NewRows, Series, blank, clip, highest_of, lowest_of, mean_of
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD, SMOOTH = 14, 3
STILL = 1e-9  #: where prices stand, both of the RSI's averages fade and only rounding moves it


@kernel
def fill(rsi: Series, since: int, lines: NewRows) -> None:
    """Fill *lines* with K and D from the bar *since* on; the third is where the RSI stands in its range."""
    first, total = 2 * PERIOD - 1, 0.0  # the first bar with a range of the RSI
    start = max(since - 2 * SMOOTH + 2, first)
    blank(lines, len(rsi))
    for at in range(start, len(rsi)):
        lowest = lowest_of(rsi, at, PERIOD)
        spread = highest_of(rsi, at, PERIOD) - lowest
        lines[2, at] = 100.0 * ((rsi[at] - lowest) / spread) if spread >= STILL else 50.0
        total += lines[2, at]  # a running sum, like TA-Lib's
        if at >= start + SMOOTH - 1:
            lines[0, at] = total / SMOOTH
            total -= lines[2, at + 1 - SMOOTH]
    for at in range(max(since, first + 2 * SMOOTH - 2), len(rsi)):
        lines[1, at] = mean_of(lines[0], at, SMOOTH)


def stochastic(window: Window) -> tuple[Series, Series]:
    """Return K and D, 0 to 100.

    Where the RSI has not moved for 14 bars the raw value is 50: there is no range to place it in.
    Source: TradingView, Stochastic RSI (RSI 14, stochastic 14, K 3, D 3).
    """
    lines = np.empty((3, len(window)))
    fill(window.shared(wilder_rsi), window.since, lines)
    return lines[0], lines[1]


def vote(context: VoteContext) -> float:
    """Vote with K's half and its side of D; in a range against the extreme."""
    fast, slow = context["stoch_rsi_k"], context["stoch_rsi_d"]
    turn = clip((fast - slow) / 20.0)
    if context.mean_reverting:
        return clip(0.7 * clip((50.0 - fast) / 30.0) + 0.3 * turn)
    return clip(0.6 * clip((fast - 50.0) / 40.0) + 0.4 * turn)


ENTRY = Indicator(
    name="stoch_rsi",
    family="momentum",
    series=("stoch_rsi_k", "stoch_rsi_d"),
    compute=stochastic,
    warm_up=(29, 31),
    group="momentum",
    vote=vote,
    weight=0.8,
    tolerance=1e-4,
    definition="Where the RSI stands in its own range of 14 bars, smoothed by 3 (K) and again by 3 (D).",
    parameters="RSI 14, stochastic 14, K 3, D 3",
    units="0 to 100",
    source="TradingView, Stochastic RSI",
    tradingview="Equal; where the RSI did not move TradingView shows nothing and 50 enters the means here.",
)
