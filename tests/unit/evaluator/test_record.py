"""The record's figures, and its verdict in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluator.domain.record import like_this, record
from services.evaluator.domain.statistics import LEAST_DAYS, difference_by_days, discoveries, mean_by_days
from shared.contracts import Outcome
from tests.unit.evaluator.facts import SCAN, ended, trade

DAY = 86_400_000


def signals(days: int, each: int, mean: float, *, seed: int = 1, kind: str = "signal") -> list[Outcome]:
    """Return *each* outcomes a day with net R of about *mean*."""
    source = np.random.default_rng(seed)
    made = []
    for day in range(days):
        for number in range(each):
            one = trade(symbol=f"C{number}USDT", scan_id=SCAN + day * DAY, kind=kind, cost_r=0.14)
            won = source.random() < (1 + mean) / 3
            made.append(ended(one, 2.0 if won else -1.0))
    return made


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (signals(10, 10, 1.0), "too few yet (100 of 200)"),
        (signals(20, 20, 1.0), "too few yet (20 of 30 days)"),
        (signals(60, 10, 0.0), "no edge shown"),
        (signals(60, 10, 0.8), "edge holds out of sample"),
        ([*signals(40, 10, 0.9), *[one for one in signals(60, 10, -0.2) if one.scan_id >= SCAN + 40 * DAY]],
         "edge in the sample only"),
    ],
)  # fmt: skip
def test_verdict(made: list[Outcome], words: str) -> None:
    """In words, against controls that gain nothing."""
    controls = signals(60, 10, 0.0, seed=9, kind="other coin")
    assert record([*made, *controls]).verdict == words


def test_a_gain_that_controls_share_is_no_edge() -> None:
    """Where every coin rises, choosing one proves nothing."""
    everybody = signals(60, 10, 0.8, kind="other coin")
    assert record([*signals(60, 10, 0.8), *everybody]).verdict == "no edge shown"


def test_figures() -> None:
    """Counts, days, hit rate, the rate that breaks even and each gate's lift are what they say."""
    made = signals(40, 10, 0.5)
    near = [
        ended(trade(scan_id=SCAN + n * DAY, kind="near miss", refused_by="volume"), -1.0 if n % 2 else 0.9)
        for n in range(40)
    ]
    found = record([*made, *near, trade()])
    wins = sum(one.result == "target" for one in made)
    assert (found.all.n, found.all.days) == (400, 40)
    assert found.all.hit_rate == pytest.approx(wins / 400)
    assert found.all.break_even == pytest.approx(1.14 / 3)
    assert found.gates["volume"].n == 40
    assert found.gates["volume"].lift.mean == pytest.approx(found.all.net.mean - found.gates["volume"].refused.mean)
    assert found.gates["score"].n == 0
    assert found.equity[-1][1] == pytest.approx(sum(one.r_net for one in made))
    assert found.cuts_looked_at == sum(map(len, found.cuts.values())) > 5


def test_an_empty_record() -> None:
    """Nothing yet is said as such."""
    found = record([])
    assert found.verdict == "too few yet (0 of 200)"
    assert math.isnan(found.all.net.mean)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Days that move together: a plain interval would be far too narrow, this one holds about 95 %."""
    source, held, effects = np.random.default_rng(3), 0, []
    days = np.repeat(np.arange(80), 10)
    for _ in range(200):
        values = np.repeat(source.normal(0, 0.6, 80), 10) + source.normal(0, 1, 800)
        found = mean_by_days(values, days, resamples=300)
        held += found.low <= 0 <= found.high
        effects.append(found.design_effect)
    assert 0.90 <= held / 200 <= 0.99
    assert np.mean(effects) == pytest.approx(1 + 9 * 0.36 / 1.36, rel=0.15)


def test_interval_agrees_with_arch() -> None:
    """Blocks of one whole day are arch's bootstrap of the days' sums and counts."""
    bootstrap = pytest.importorskip("arch.bootstrap")
    source = np.random.default_rng(5)
    days = np.sort(source.integers(0, 60, 700))
    values = source.normal(0.1, 1, 700) + (days % 3)
    sums, counts = np.bincount(days, values), np.bincount(days)
    oracle = bootstrap.IIDBootstrap(sums, counts, seed=1).conf_int(
        lambda total, number: total.sum() / number.sum(), 4_000, method="percentile"
    )
    found = mean_by_days(values, days, resamples=4_000)
    assert [found.low, found.high] == pytest.approx(oracle.ravel(), abs=0.02)


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(-3, 3)), min_size=2, max_size=60))
def test_difference_of_the_same_is_nothing(pairs: list[tuple[int, float]]) -> None:
    """Both sides are drawn by the same days: a difference from itself is exactly zero."""
    days, values = np.array([day for day, _ in pairs]), np.array([value for _, value in pairs])
    found = difference_by_days(values, days, values, days, resamples=100)
    assert found.mean == 0
    assert math.isnan(found.low) or found.low == found.high == 0


def test_a_few_days_have_no_interval() -> None:
    """Four days say nothing of how days differ; their mean stands without an interval."""
    days = np.repeat(np.arange(LEAST_DAYS), 3)
    values = np.random.default_rng(3).normal(0, 1, len(days))
    assert math.isfinite(mean_by_days(values, days).low)
    few = days < LEAST_DAYS - 1
    found = mean_by_days(values[few], days[few])
    assert found.mean == pytest.approx(values[few].mean())
    assert math.isnan(found.low)
    assert math.isnan(found.p)


def test_false_discoveries() -> None:
    """Adjusted shares are never smaller than the p-values; unknown ones stay unknown."""
    found = discoveries([0.001, math.nan, 0.04, 0.5])
    assert math.isnan(found[1])
    assert all(q >= p for q, p in zip((found[0], *found[2:]), (0.001, 0.04, 0.5), strict=True))


def test_line_of_a_card() -> None:
    """Never a bare win rate: what is needed and how many there were stand beside it; too few say so."""
    made = signals(30, 4, 0.0)
    wins = sum(one.result == "target" for one in made)
    line = like_this(made, side="long", reward=2.2, days=90)
    assert line == f"like this: {wins / 1.2:.0f} of 100 reach the target first, 38 are needed; 120 in 90 days"
    assert like_this(made, side="short", reward=2.0, days=90) == "no record yet"
    assert like_this(made, side="long", reward=8.0, days=90) == "no record yet"
