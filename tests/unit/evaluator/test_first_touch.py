"""What comes first, and what it comes to."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluator.domain.costs import break_even, settle
from services.evaluator.domain.first_touch import Touch, follow, in_r
from services.gatekeeper.domain import lifecycle
from services.gatekeeper.domain.state import Tracked
from shared.contracts import SCAN_MS, Floats, Side
from tests.unit.evaluator.facts import COST_RATE, SCAN, bars, progress, still, trade
from tests.unit.gatekeeper import facts as gatekeeper

SIDES = st.sampled_from(["long", "short"])
DAY = 288


@st.composite
def paths(draw: st.DrawFn, most: int = 40) -> Floats:
    """Bars around 100 with gaps between them."""
    count = draw(st.integers(1, most))
    moves = draw(st.lists(st.floats(-1.2, 1.2), min_size=count, max_size=count))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.7, -0.7, 2.5, -2.5]), min_size=count, max_size=count))
    wicks = draw(st.lists(st.tuples(st.floats(0, 0.8), st.floats(0, 0.8)), min_size=count, max_size=count))
    price, rows = 100.0, []
    for move, gap, (up, down) in zip(moves, gaps, wicks, strict=True):
        opened = max(50.0, price + gap)
        close = max(50.0, opened + move)
        rows.append((opened, max(opened, close) + up, min(opened, close) - down, close))
        price = close
    return bars(rows)


def end_of(side: Side, path: Floats) -> Touch | None:
    outcome = trade(side)
    return follow(outcome, progress(outcome), path)[1]


@pytest.mark.parametrize(
    ("bar", "result", "price"),
    [
        ((100, 102, 99.5, 101), "target", 102.0),
        ((100, 101, 99, 99.5), "stop", 99.0),
        ((100, 103, 98, 100), "stop", 99.0),
        ((98, 98.5, 97, 98), "stop", 98.0),
        ((104, 105, 103, 104), "target", 102.0),
    ],
)
def test_one_bar(bar: tuple[float, float, float, float], result: str, price: float) -> None:
    """Target, stop, both in one bar, a stop in a gap filled at the open, a target in a gap at its own price."""
    touch = end_of("long", bars([bar]))
    assert touch is not None
    assert (touch.result, touch.price) == (result, price)
    assert touch.ambiguous == (bar[1] >= 102 and bar[2] <= 99)


def test_a_day_without_a_touch_ends_at_the_last_close() -> None:
    """After 24 hours it is out at the close, and later bars do not count."""
    path = bars([*still(DAY - 1), (100, 100.5, 100, 100.4), *still(3, 200.0)])
    touch = end_of("long", path)
    assert touch == Touch("time", SCAN + DAY * SCAN_MS, 100.4)


def test_a_touch_in_the_last_bar_counts() -> None:
    """The bar that closes 24 hours after the entry is the last one that can bring target or stop."""
    touch = end_of("long", bars([*still(DAY - 1), (100, 102.1, 100, 101)]))
    assert touch is not None
    assert touch.result == "target"


@given(SIDES, paths(), st.lists(st.integers(0, 40), max_size=6))
def test_any_division_of_the_bars_gives_the_same_end(side: Side, path: Floats, cuts: list[int]) -> None:
    """Bar by bar, all at once, or with repeated bars: progress and end are the same."""
    outcome = trade(side)
    whole, wanted = follow(outcome, progress(outcome), path)
    held, found = progress(outcome), None
    for cut in [*sorted(cuts), path.shape[1]]:
        if found is None:
            held, found = follow(outcome, held, path[:, :cut])
    assert found == wanted
    assert msgspec.structs.asdict(held) == pytest.approx(msgspec.structs.asdict(whole))


@given(SIDES, paths(), paths())
def test_the_future_changes_nothing(side: Side, path: Floats, later: Floats) -> None:
    """What came first within some bars does not depend on any that follow."""
    touch = end_of(side, path)
    later = later.copy()
    later[0] += path[0, -1] - SCAN
    if touch is not None:
        assert end_of(side, np.concatenate((path, later), axis=1)) == touch


@given(SIDES, paths())
def test_the_two_sides_mirror_each_other(side: Side, path: Floats) -> None:
    """A long over bars turned upside down ends as the short over the bars."""
    turned = path.copy()
    turned[1], turned[2], turned[3], turned[4] = (200 - path[row] for row in (1, 3, 2, 4))
    touch, mirrored = end_of(side, path), end_of("short" if side == "long" else "long", turned)
    assert (touch is None) == (mirrored is None)
    if touch is not None and mirrored is not None:
        assert (touch.result, touch.at, touch.ambiguous) == (mirrored.result, mirrored.at, mirrored.ambiguous)
        assert touch.price == pytest.approx(200 - mirrored.price)


@given(SIDES, paths())
def test_it_ends_in_the_bar_in_which_the_lifecycle_ends(side: Side, path: Floats) -> None:
    """The gatekeeper's target and stop ends come in the same bar and are the same."""
    touch = end_of(side, path)
    tracked, event, at = Tracked(signal=gatekeeper.signal(side, scan_id=SCAN)), "", 0
    for column in path.T:
        shown = gatekeeper.analysis("AAAUSDT", int(column[0]), side, bar=(*map(float, column[1:5]), 1.0))
        tracked, body = lifecycle.on_bar(tracked, shown, int(column[0]))
        if body is not None:
            event, at = body.event, int(column[0])
            break
    assert (touch.result, touch.at) == (event, at) if touch is not None else not event


@given(SIDES, paths(), st.floats(-0.01, 0.01))
def test_net_is_gross_less_costs_and_funding(side: Side, path: Floats, rate: float) -> None:
    """Excursions contain the result, ambiguity lies between it and the optimistic bound, and nothing is lost."""
    outcome = trade(side)
    path = path.copy()
    path[5, 1:] = rate
    held, touch = follow(outcome, progress(outcome), path)
    if touch is None:
        return
    ended = settle(outcome, held, touch)
    assert ended.r_net == pytest.approx(ended.r_gross - ended.cost_r - ended.funding_r)
    assert ended.worst_r <= ended.r_gross <= ended.best_r
    assert ended.r_optimistic >= ended.r_gross
    assert ended.cost_r == pytest.approx(COST_RATE * (outcome.entry + touch.price))
    assert ended.minutes * 60_000 == touch.at - SCAN
    assert ended.missing_bars == 0


def test_funding_is_paid_by_longs_and_received_by_shorts() -> None:
    """A settlement at the entry is not ours; one at a later bar's opening is, on the close before it."""
    path = bars([(100, 100.5, 99.5, 100.2), (100.2, 102, 100, 101)], funding=0.01)
    paid = {}
    for side in ("long", "short"):
        outcome = trade(side, stop=90.0 if side == "long" else 110.0, target=102.0 if side == "long" else 99.9)
        held, touch = follow(outcome, progress(outcome), path[:, 1:] if side == "short" else path)
        if touch is not None:
            paid[side] = settle(outcome, held, touch).funding_r
    assert paid["long"] == pytest.approx(0.01 * 100.2 / 10)
    outcome = trade("short", stop=110.0, target=80.0)
    held, _ = follow(outcome, progress(outcome), path)
    assert held.funding == pytest.approx(0.01 * 100.2)
    assert settle(outcome, held, Touch("time", held.followed_to, 101.0)).funding_r < 0


def test_bars_that_nobody_saw_are_counted() -> None:
    """A hole in the bars shows in the outcome."""
    outcome = trade()
    path = bars([*still(5), (100, 103, 100, 102)])
    held, touch = follow(outcome, progress(outcome), path[:, [0, 1, 5]])
    assert touch is not None
    assert settle(outcome, held, touch).missing_bars == 3


def test_break_even() -> None:
    """At the hit rate that breaks even, gains and losses cancel out, costs included."""
    outcome: Any = trade(cost_r=0.14)
    rate, reward = break_even(outcome), in_r(outcome, outcome.target)
    assert rate * reward - (1 - rate) - outcome.cost_r == pytest.approx(0.0)
    assert math.isclose(rate, 1.14 / 3.0)
