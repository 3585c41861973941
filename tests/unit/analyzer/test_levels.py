"""Levels, and the stop and target that follow from them, by numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from services.analyzer.domain.chart import levels
from services.analyzer.domain.chart.swings import Swings
from shared.contracts import Side, TradeLevels
from tests.unit.analyzer import bars

ATR = 2.0
HOUR = 3_600_000


def mapped(*prices: float, swing_range: float = 6.0) -> levels.LevelMap:
    """Return levels at *prices*, one touch each."""
    ones = np.ones(len(prices))
    return levels.LevelMap(np.array(sorted(prices)), ones, ones, ones, swing_range)


def planned(drawn: levels.LevelMap, side: Side, *, tick: float = 0.1, price: float = 100.0) -> TradeLevels:
    plan = levels.plan(drawn, side, price, ATR, tick, costs=0.001, weak_ratio=1.5)
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("level", "stop", "reason"),
    [
        (97.0, 96.5, "beyond support"),  # 3 + 0.25 ATR
        (99.5, 98.4, "stop widened to 0.8 ATR: the level is too near"),
        (90.0, 95.0, "level too far: 2.5 ATR"),
        (None, 97.0, "no level: 1.5 ATR"),
    ],
)
def test_the_stop_lies_beyond_the_nearest_level_within_bounds(level: float | None, stop: float, reason: str) -> None:
    """A quarter of an ATR beyond the level, never nearer than 0.8 nor further than 2.5 ATR; a short mirrors it."""
    long = planned(mapped(*([] if level is None else [level]), 110.0), "long")
    assert long.stop == pytest.approx(stop)
    assert long.stop_reason == reason
    short = planned(mapped(*([] if level is None else [200.0 - level]), 90.0), "short")
    assert short.stop == pytest.approx(200.0 - stop)


def test_the_target_is_the_next_level_at_least_one_atr_away() -> None:
    """A level nearer than that is passed over; without any the usual swing stands in, one ATR at least."""
    assert planned(mapped(97.0, 101.9, 102.0, 106.0), "long").target == 102.0
    assert planned(mapped(97.0, 101.9, 106.0), "long").target == 106.0
    assert planned(mapped(97.0, 101.9, swing_range=3.0), "long").target == 103.0
    assert planned(mapped(97.0, swing_range=0.5), "long").target == 102.0
    assert planned(mapped(103.0, 98.1, 94.0), "short").target == 94.0


@pytest.mark.parametrize(("swing_range", "target"), [(0.0, 108.0), (3.0, 104.5), (40.0, 108.0), (0.1, 102.0)])
def test_a_target_is_no_farther_than_the_market_usually_goes(swing_range: float, target: float) -> None:
    """Four ATR and one and a half usual swings are the most, one ATR the least; a far level does not stretch it."""
    plan = planned(mapped(97.0, 145.0, swing_range=swing_range), "long")
    assert plan.target == target
    assert plan.target_reason == "usual reach"


def test_costs_are_told_in_units_of_the_risk() -> None:
    """0.1 % of 100 against a risk of 2.4 is 0.042 R; with a reward of 2.5 R 30 % of targets break even."""
    plan = planned(mapped(98.1, 106.0), "long")
    assert plan.cost_r == pytest.approx(0.1 / 2.4)
    assert plan.break_even == pytest.approx((1 + 0.1 / 2.4) / (1 + 6.0 / 2.4))


def test_prices_are_rounded_to_where_the_trade_looks_worse() -> None:
    """On a coarse tick the stop moves away, the target comes nearer, and the entry is never better than the price."""
    drawn = mapped(97.3, 104.7)
    long, short = planned(drawn, "long", tick=0.5, price=100.2), planned(drawn, "short", tick=0.5, price=100.2)
    assert (long.entry, long.stop, long.target) == (100.5, 96.5, 104.5)
    assert (short.entry, short.stop, short.target) == (100.0, 105.5, 97.5)


def test_a_poor_ratio_is_weak() -> None:
    """Net of costs 1.5 is the least that is not WEAK."""
    good = planned(mapped(98.1, 106.0), "long")
    assert not good.weak
    assert good.reward_to_risk == pytest.approx((6.0 - 0.1) / (2.4 + 0.1))
    poor = planned(mapped(98.1, 103.7), "long")
    assert poor.weak
    assert poor.reward_to_risk == pytest.approx((3.7 - 0.1) / (2.4 + 0.1))


def test_swing_points_within_half_an_atr_are_one_level() -> None:
    """A level is the mean of its swings, counts them, and remembers the last; none is wider than half an ATR."""
    window = bars.window(interval="1h")
    at = np.array([100, 200, 300, 400])
    swings = Swings(at, at[:0], np.array([100.0, 100.9, 101.1, 105.0]), np.array([]))
    drawn = levels.draw([(window, swings)], ATR, int(window.open_time[-1]))
    assert drawn.prices.tolist() == pytest.approx([100.45, 101.1, 105.0])
    assert drawn.touches.tolist() == [2.0, 1.0, 1.0]
    assert drawn.last.tolist() == window.open_time[[200, 300, 400]].tolist()


def test_levels_are_ranked_by_touches_and_recency() -> None:
    """Two touches beat one of the same age, a recent one two that are long gone."""
    window = bars.window(interval="1h")

    def best(at: list[int], prices: list[float]) -> float:
        swings = Swings(np.array(at), np.array([], dtype=np.intp), np.array(prices), np.array([]))
        drawn = levels.draw([(window, swings)], ATR, int(window.open_time[-1]))
        return planned(drawn, "long", price=120.0).supports[0].price

    assert best([400, 401, 402], [100.0, 100.2, 105.0]) == pytest.approx(100.1)
    assert best([10, 20, 480], [100.0, 100.2, 105.0]) == pytest.approx(105.0)
    assert best([300, 310, 400], [100.0, 100.2, 105.0]) == pytest.approx(105.0)
    assert best([340, 350, 400], [100.0, 100.2, 105.0]) == pytest.approx(100.1)


def test_the_usual_swing_is_the_median_between_a_high_and_the_next_low() -> None:
    """Highs after highs do not count; with an even number it is the mean of the two in the middle."""
    window = bars.window(interval="1h")
    highs, lows = np.array([108.0, 110.0, 109.0, 104.0]), np.array([105.0, 101.0])
    at, low_at = np.array([10, 20, 50, 70]), np.array([30, 60])
    drawn = levels.draw([(window, Swings(at, low_at, highs, lows))], ATR, int(window.open_time[-1]))
    assert drawn.swing_range == 4.5  # 110 to 105, 105 to 109, 109 to 101, 101 to 104
    drawn = levels.draw([(window, Swings(at[:3], low_at, highs[:3], lows))], ATR, int(window.open_time[-1]))
    assert drawn.swing_range == 5.0
    without = Swings(at, low_at[:0], highs, lows[:0])
    assert levels.draw([(window, without)], ATR, int(window.open_time[-1])).swing_range == 0.0
