"""Ninth stage: how probable the target is, what to expect of the trade, and how setups like it went."""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.analyzer.domain.stages.agreement import Agreement
from shared.contracts import Comparable, RecordChanged, TradeLevels
from shared.odds import comparable_to, expected_net, recalibrated, reward_of, target_first


@dataclass(frozen=True, slots=True)
class Outlook:
    """The figures of the planned trade; None where there is none."""

    agreement: Agreement
    confidence: float | None = None  #: probability in % that the target comes before the stop and in time
    forecast: str = ""  #: its version
    expected_r: float | None = None  #: net
    comparable: Comparable | None = None


def weigh_outlook(agreement: Agreement) -> Outlook:
    """Return the outlook of the planned trade, by the record that the scan names."""
    trade = agreement.trade
    request = trade.quality.scores.votes.charts.request
    if trade.levels is None:
        return Outlook(agreement)
    probability, expected = _weighed(trade.levels, request.record, request.hours)
    if math.isnan(probability):
        return Outlook(agreement)
    reward = reward_of(trade.levels.entry, trade.levels.stop, trade.levels.target)
    alike = comparable_to(request.record, trade.quality.scores.side, reward)
    return Outlook(agreement, 100.0 * probability, request.record.forecast.version, expected, alike)


def _weighed(levels: TradeLevels, record: RecordChanged, hours: float) -> tuple[float, float]:
    """Return the probability that the target comes first within *hours*, and the net R to be expected."""
    stop, target = abs(levels.entry - levels.stop), abs(levels.target - levels.entry)
    plain = target_first(stop, target, levels.atr, hours)
    if math.isnan(plain):
        return math.nan, math.nan
    probability = recalibrated(plain, record.forecast.intercept, record.forecast.slope)
    return probability, expected_net(plain, probability, target / stop, levels.cost_r)
