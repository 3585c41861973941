"""ADX with the directional indicators."""

from __future__ import annotations

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewRows, Series, blank, clip, true_range
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIOD = 14
NOTHING = 1e-14  #: a range below it is none, as in TA-Lib


@kernel
def walk(high: Series, low: Series, close: Series, lines: NewRows) -> None:
    """Fill *lines* with ADX, +DI and −DI: sums over 13 bars, smoothed from the next one on."""
    plus = minus = ranges = average = 0.0
    blank(lines, 2 * PERIOD)
    for at in range(1, len(close)):
        up, down = high[at] - high[at - 1], low[at - 1] - low[at]
        if at >= PERIOD:
            plus, minus, ranges = plus - plus / PERIOD, minus - minus / PERIOD, ranges - ranges / PERIOD
        plus += up if up > 0.0 and up > down else 0.0
        minus += down if down > 0.0 and down > up else 0.0
        ranges += true_range(high, low, close, at)
        if at < PERIOD:
            continue
        some = ranges >= NOTHING
        lines[1, at] = rises = 100.0 * (plus / ranges) if some else 0.0
        lines[2, at] = falls = 100.0 * (minus / ranges) if some else 0.0
        moved = rises + falls >= NOTHING
        share = 100.0 * (abs(falls - rises) / (falls + rises)) if moved else 0.0
        if at < 2 * PERIOD:
            average += share
        elif moved:
            average = (average * (PERIOD - 1) + share) / PERIOD
        if at == 2 * PERIOD - 1:
            average /= PERIOD
        if at >= 2 * PERIOD - 1:
            lines[0, at] = average


def directional(window: Window) -> tuple[Series, Series, Series]:
    """Return ADX, +DI and −DI, 0 to 100.

    Source: Wilder, New Concepts in Technical Trading Systems (1978), ch. 4, as TA-Lib computes it.
    """
    lines = np.empty((3, len(window)))
    walk(window.high, window.low, window.close, lines)
    return lines[0], lines[1], lines[2]


def vote(context: VoteContext) -> float:
    """Vote with the stronger direction, the more the stronger the trend."""
    plus, minus = context["plus_di"], context["minus_di"]
    total = plus + minus
    return clip(2.0 * (plus - minus) / total) * clip(context["adx"] / 25.0, 0.0, 1.0) if total > 0 else 0.0


ENTRY = Indicator(
    name="adx",
    family="trend",
    series=("adx", "plus_di", "minus_di"),
    compute=directional,
    warm_up=(27, 14, 14),
    group="trend",
    vote=vote,
    weight=0.8,
    tolerance=1e-6,
    definition="Wilder's directional movement over true range, smoothed; ADX smooths their relative difference.",
    parameters="14",
    units="0 to 100",
    source="Wilder 1978; TA-Lib ADX, PLUS_DI, MINUS_DI",
    tradingview="Differs only while the first sums matter: TA-Lib's hold 13 bars, ta.dmi's 14.",
)
