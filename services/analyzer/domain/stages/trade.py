"""Seventh stage: entry, stop and target between the levels."""

from __future__ import annotations

from dataclasses import dataclass

from services.analyzer.domain.chart import levels
from services.analyzer.domain.stages.quality import Quality
from shared.contracts import TradeLevels


@dataclass(frozen=True, slots=True)
class PlannedTrade:
    """The side's levels, None where no valid stop and target exist."""

    quality: Quality
    levels: TradeLevels | None


def plan_trade(quality: Quality) -> PlannedTrade:
    """Return the trade that the side would be, at the last price."""
    charts = quality.scores.votes.charts
    settings = charts.request.settings
    found = levels.plan(
        charts.levels,
        quality.scores.side,
        charts.price,
        charts.by_interval["1h"].atr,
        charts.request.snapshot.tick_size,
        costs=settings.costs,
        weak_ratio=settings.weak_ratio,
    )
    return PlannedTrade(quality, found)
