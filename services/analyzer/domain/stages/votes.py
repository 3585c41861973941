"""Fourth stage: what every indicator, the chart and the futures market vote on each interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.analyzer.domain import pattern
from services.analyzer.domain.chart import divergence
from services.analyzer.domain.futures.figures import FuturesFigures, read_futures
from services.analyzer.domain.indicator import catalogue
from services.analyzer.domain.scoring import context_votes
from services.analyzer.domain.scoring.bonus import DIVERGENCE
from services.analyzer.domain.scoring.weights import apply_gain, silenced, weigh
from services.analyzer.domain.stages.charts import Chart, Charts
from services.analyzer.domain.vote_context import VoteContext
from shared.contracts import Interval

STILL_BARS: Final = 8  #: without any range: a market that does not move


@dataclass(frozen=True, slots=True)
class IntervalVotes:
    """One interval's votes as they count, their weights, its patterns, and the newest value of every series."""

    votes: dict[str, float]
    weights: dict[str, float]
    patterns: dict[str, float]
    newest: dict[str, float]


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes of each interval, and the futures market's figures that took part in all of them."""

    charts: Charts
    futures: FuturesFigures
    by_interval: Mapping[Interval, IntervalVotes]


def cast_votes(charts: Charts) -> Votes:
    """Return each interval's votes; who has nothing to say, or lacks what the exchange does not have, is left out."""
    snapshot = charts.request.snapshot
    five = charts.by_interval["5m"].window
    futures = read_futures(snapshot.derivatives, snapshot.depth, five, snapshot.scan_id)
    common = context_votes.futures_votes(futures)
    mute = silenced(snapshot.unavailable)
    by_interval = {interval: _votes_of(chart, charts, common, mute) for interval, chart in charts.by_interval.items()}
    return Votes(charts, futures, by_interval)


def _votes_of(chart: Chart, charts: Charts, common: Mapping[str, float], mute: frozenset[str]) -> IntervalVotes:
    regime = chart.regime.regime
    context = VoteContext(chart.window, chart.series, regime, chart.atr)
    said = {**_votes_of_chart(context, chart, charts), **common}
    votes = apply_gain({name: vote for name, vote in said.items() if name not in mute} if mute else said, regime)
    return IntervalVotes(votes, weigh(votes, regime), _patterns(chart), context.newest)


def _votes_of_chart(context: VoteContext, chart: Chart, charts: Charts) -> dict[str, float]:
    votes = {entry.name: entry.vote(context) for entry in catalogue().values() if entry.vote is not None}
    votes |= context_votes.chart_votes(context, chart.regime, charts.levels)
    if max(chart.window.high[-STILL_BARS:].tolist()) == min(chart.window.low[-STILL_BARS:].tolist()):
        return dict.fromkeys(votes, 0.0)  # a market that does not move says nothing
    return {name: vote for name, vote in votes.items() if not math.isnan(vote)}


def _patterns(chart: Chart) -> dict[str, float]:
    """Return what ends at the last closed bar: candlestick patterns, and a divergence of the RSI."""
    found = pattern.find_all(chart.window, closed=chart.closed)
    diverges = divergence.rsi_divergence(chart.swings, chart.series["rsi"], last=chart.closed - 1)
    return {**found, DIVERGENCE: diverges} if diverges else found
