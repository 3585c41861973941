"""What is published of the past: comparable setups, and a forecast that has earned it."""

from __future__ import annotations

import numpy as np
import pytest

from services.evaluator.domain.publication import published
from shared.contracts import HOUR_MS, Outcome
from tests.unit.evaluator.facts import SCAN, ended, trade

DAY = 86_400_000
TODAY = SCAN // DAY * DAY + 80 * DAY


def signals(days: int, each: int, *, bias: float) -> list[Outcome]:
    """Return outcomes of rewards between 1 and 4, whose target comes first more often than the forecast by *bias*."""
    source, made = np.random.default_rng(2), []
    for day in range(days):
        for number in range(each):
            reward = 1.0 + 3.0 * source.random()
            forecast = 1.0 / (1.0 + reward)
            one = trade(
                symbol=f"C{number}USDT", scan_id=SCAN + day * DAY, target=100.0 + reward, forecast=forecast, cost_r=0.14
            )
            made.append(ended(one, reward if source.random() < forecast + bias else -1.0))
    return made


def test_only_what_had_ended_before_the_day_counts() -> None:
    """And only signals: the same bus, emptied and told again, gets the same."""
    past = signals(79, 20, bias=0.0)
    later = ended(trade(scan_id=TODAY), 2.0)
    control = ended(trade(scan_id=SCAN, kind="other side"), 2.0)
    made = published([*past, later, control], TODAY)
    assert made == published(past[::-1], TODAY)
    assert (made.version, made.since) == (TODAY, TODAY + HOUR_MS)
    assert sum(one.n for one in made.comparable) == len(past)


def test_a_fair_market_keeps_the_plain_forecast() -> None:
    """Where recalibration is no better on later days it is not used."""
    made = published(signals(79, 20, bias=0.0), TODAY)
    assert (made.forecast.version, made.forecast.intercept, made.forecast.slope) == ("plain", 0.0, 1.0)
    assert made.forecast.n == 79 * 20


def test_a_market_that_pays_recalibrates() -> None:
    """With enough outcomes and days, and its version names the last of them; with too few it stays plain."""
    made = published(signals(79, 20, bias=0.2), TODAY)
    assert made.forecast.version.startswith("logistic:20")
    assert made.forecast.intercept > 0.3
    few = published(signals(59, 20, bias=0.2), TODAY)
    assert few.forecast.version == "plain"


def test_sets_are_told_by_side_and_reward() -> None:
    """Thirty at least; each with its own rate and need."""
    made = published(signals(79, 20, bias=0.0), TODAY).comparable
    assert {one.side for one in made} == {"long"}
    for one in made:
        assert one.n >= 30
        assert one.break_even == pytest.approx(1.14 / (1 + (one.low + one.high) / 2), rel=0.12)
