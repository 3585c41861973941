"""What a choice may know, what it was worth, and what the search costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.tuning.walk_forward import (
    Returns,
    TooFewDaysError,
    WalkForward,
    choose,
    folds,
    reality_check,
    walk_forward,
)
from shared.contracts import DAY_MS, SCAN_MS

HOUR_MS = 3_600_000
EMBARGO = 24 * HOUR_MS
FIRST = 20_000  #: a day
DAYS = range(FIRST, FIRST + 50)


def returns(opened: list[float], hours: list[float], net: list[float]) -> Returns:
    """Return signals opened at *opened* days after `FIRST`, that ended *hours* later."""
    at = np.array([FIRST * DAY_MS + round(day * DAY_MS) for day in opened], dtype=np.int64)
    ended = at + np.array([round(each * HOUR_MS) for each in hours], dtype=np.int64)
    return Returns(at, ended, np.array(net, dtype=np.float64))


def drawn(seed: int, mean: float = 0.0, each_day: int = 4) -> Returns:
    """Return seeded signals over `DAYS`, with *mean* net R."""
    draw = np.random.default_rng(seed)
    size = each_day * len(DAYS)
    opened = np.sort(FIRST * DAY_MS + draw.integers(1, len(DAYS) * DAY_MS // SCAN_MS + 1, size) * SCAN_MS)
    ended = opened + draw.integers(1, 288, size) * SCAN_MS
    return Returns(opened, ended, draw.normal(mean, 1.0, size))


def walk(tried: list[Returns], count: int = 4) -> WalkForward:
    """Return the walk over *tried*, the first of which are the present settings."""
    return walk_forward(tried, 0, DAYS, count=count, embargo=EMBARGO)


def test_a_signal_that_ends_after_the_fold_begins_is_purged() -> None:
    """It counts at the end's own moment, not before, however early it was opened."""
    one = returns([1.0], [60], [1.0])
    begins = FIRST * DAY_MS + 3 * DAY_MS
    assert len(one.known_at(begins + 12 * HOUR_MS, EMBARGO).net) == 1
    assert len(one.known_at(begins + 12 * HOUR_MS - 1, EMBARGO).net) == 0


def test_the_hours_before_a_fold_are_embargoed() -> None:
    """A signal opened within them does not count even though it has ended: its slower neighbours have not."""
    one = returns([2.0, 2.1], [1, 1], [1.0, 2.0])
    begins = FIRST * DAY_MS + 3 * DAY_MS
    assert one.known_at(begins, EMBARGO).net.tolist() == [1.0]
    assert one.known_at(begins, 0).net.tolist() == [1.0, 2.0]


def test_folds_follow_one_another_after_a_first_span_to_learn_from() -> None:
    """Five equal spans of days for four folds; too few days are told with how many would do."""
    spans = folds(DAYS, 4)
    assert [(one.start - FIRST, one.stop - FIRST) for one in spans] == [(10, 20), (20, 30), (30, 40), (40, 50)]
    assert [len(one) for one in folds(range(11), 4)] == [2, 2, 2, 3]
    with pytest.raises(TooFewDaysError, match="4 folds need 10 days before the last third, there are 9"):
        folds(range(9), 4)


def test_a_signal_at_midnight_belongs_to_the_day_that_ends() -> None:
    """A scan is named by its bar's close."""
    one = returns([1.0, 1.001], [1, 1], [1.0, 2.0])
    assert one.daily(range(FIRST, FIRST + 3)).tolist() == [1.0, 2.0, 0.0]
    assert one.within(range(FIRST + 1, FIRST + 2)).net.tolist() == [2.0]


def test_the_present_settings_stay_unless_another_is_better() -> None:
    """Equal sums change nothing; the best of the others is taken."""
    present, same, better = (returns([1.0], [1], [net]) for net in (0.5, 0.5, 0.7))
    moment = FIRST * DAY_MS + 9 * DAY_MS
    assert choose([present, same], 0, moment, EMBARGO)[0] == 0
    chosen, ahead = choose([present, same, better], 0, moment, EMBARGO)
    assert chosen == 2
    assert ahead == pytest.approx([0.0, 0.0, 0.2])


def test_a_planted_better_setting_is_found() -> None:
    """It is chosen before every fold, its difference is measured on the folds, and the search does not drown it."""
    found = walk([drawn(1), drawn(2, -0.1), drawn(3, 0.8), drawn(4)])
    assert [one.chosen for one in found.folds] == [2, 2, 2, 2]
    assert found.last == 2
    assert found.difference.low > 0
    assert found.difference.mean == pytest.approx(0.8 * 4, abs=1.2)
    assert found.searched < 0.01
    assert found.days == 40


def test_noise_is_seldom_better() -> None:
    """Of forty searches among eight worthless settings few are better out of sample; in sample most look good."""
    found = [walk([drawn(100 * seed + number) for number in range(9)]) for seed in range(40)]
    assert sum(one.difference.low > 0 for one in found) <= 4
    assert sum(one.searched < 0.05 for one in found) <= 5
    assert sum(one.last_before > 0 for one in found) >= 35
    assert sum(one.alone < 0.05 for one in found) > sum(one.searched < 0.05 for one in found)


def test_settings_that_change_nothing_have_no_p_value() -> None:
    """Without a single difference the present settings stay, and nothing is claimed."""
    found = walk([drawn(1), drawn(1)])
    assert [one.chosen for one in found.folds] == [0, 0, 0, 0]
    assert found.difference.mean == 0
    assert math.isnan(found.searched)


def test_no_signals_at_all_are_no_error() -> None:
    """A combination may refuse everything."""
    found = walk([returns([], [], []), returns([], [], [])])
    assert found.difference.mean == 0
    assert math.isnan(found.folds[0].net)


def test_the_more_were_looked_at_the_less_the_best_means() -> None:
    """The same best row among more rows has a higher p; one row alone is as the bootstrap of its mean."""
    draw = np.random.default_rng(5)
    best = draw.normal(0.0, 1.0, 60)
    best += 0.25 - best.mean()
    others = draw.normal(-0.2, 1.0, (30, 60))
    alone, among = reality_check(best[None, :]), reality_check(np.vstack([best, others]))
    assert alone < 0.05 < among
    assert math.isnan(reality_check(np.zeros((2, 60))))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), fold=st.integers(0, 3))
def test_no_choice_knows_what_follows(seed: int, fold: int) -> None:
    """Whatever happens from a fold's beginning on changes no choice before it, nor its figures in sample."""
    tried = [drawn(seed + number) for number in range(4)]
    moment = folds(DAYS, 4)[fold].start * DAY_MS
    draw = np.random.default_rng(seed)
    altered = []
    for one in tried:
        later = one.ended > moment
        kept = ~later | (draw.random(len(later)) < 0.5)
        net = np.where(later, draw.normal(0, 20.0, len(later)), one.net)
        altered.append(Returns(one.opened[kept], one.ended[kept], net[kept]))
    for before, after in list(zip(walk(tried).folds, walk(altered).folds, strict=True))[: fold + 1]:
        assert (before.chosen, before.before, before.before_signals) == (
            after.chosen,
            after.before,
            after.before_signals,
        )
