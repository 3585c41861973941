"""The ribbon of exponential moving averages."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator
from services.analyzer.domain.numeric import NewRows, Places, Series
from services.analyzer.domain.vote_context import VoteContext
from shared.kernels import kernel

PERIODS = (20, 50, 100, 200)
SPANS = np.array(PERIODS)


@kernel
def average(values: Series, spans: Places, lines: NewRows) -> None:
    """Fill each of *lines* with the EMA of its span, all of them bar by bar: none waits for another."""
    for line in range(len(spans)):
        total = 0.0
        for at in range(min(spans[line], len(values))):
            total += values[at]
            lines[line, at] = total / spans[line] if at == spans[line] - 1 else math.nan
    for at in range(1, len(values)):
        for line in range(len(spans)):
            if at >= spans[line]:
                before = lines[line, at - 1]
                lines[line, at] = (values[at] - before) * (2.0 / (spans[line] + 1)) + before


def ribbon(window: Window) -> tuple[Series, ...]:
    """Return EMA 20, 50, 100 and 200 of the close, each starting from the mean of its first bars.

    Source: TradingView, `ta.ema` (alpha = 2 / (length + 1), first value the SMA).
    """
    lines = np.empty((len(PERIODS), len(window)))
    average(window.close, SPANS, lines)
    return tuple(lines)


def vote(context: VoteContext) -> float:
    """Vote with the order of the ribbon and the price's side of its fastest line."""
    lines = [context.close] + [context[f"ema_{period}"] for period in PERIODS]
    gaps = [(fast - slow) / context.atr for fast, slow in pairwise(lines) if not math.isnan(slow)]
    return sum(math.tanh(2.0 * gap) for gap in gaps) / len(gaps)


ENTRY = Indicator(
    name="ema",
    family="trend",
    series=("ema_20", "ema_50", "ema_100", "ema_200"),
    compute=ribbon,
    warm_up=(19, 49, 99, 199),
    group="trend",
    vote=vote,
    weight=1.5,
    scale="price",
    remembers=True,
    tolerance=0.05,  # EMA 200 still holds 1/e of its first value after 100 bars
    definition="Exponential moving averages of the close, alpha = 2 / (period + 1).",
    parameters="20, 50, 100, 200",
    units="price",
    source="TradingView ta.ema",
    tradingview="Equal: the first value is the SMA of the first bars, as in ta.ema.",
)
