"""Prices that people asked to be told of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.gatekeeper import handler
from services.gatekeeper.domain import restoring
from services.gatekeeper.domain import state as states
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import World
from shared.contracts import Alert, PriceAlert, PriceCondition, PriceTick, StateRestored
from shared.settings import RuntimeSettings
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened


def asked(condition: PriceCondition, value: float = 100.0, **more: Any) -> PriceAlert:
    """Return one that a person made before the first tick."""
    return PriceAlert(price_alert_id="p", symbol="AAAUSDT", condition=condition, value=value, **more)


def play(one: PriceAlert, *prices: float, state: State | None = None, every: int = 60) -> tuple[State, list[int]]:
    """Show *prices*, one tick each *every* seconds, and return the numbers of those that were told."""
    state, told = state or State(), []
    world = World(RuntimeSettings(), 0, (), (one,))
    for number, price in enumerate(prices, 1):
        at = max(state.prices.last_tick, SCAN) + every * 1_000
        outcome = handler.take_ticks(state, [(PriceTick(at=at, prices={"AAAUSDT": price}), False)], world)
        state = outcome.state
        told += [number for _ in outcome.outputs]
    return state, told


@pytest.mark.parametrize(
    ("condition", "prices", "told"),
    [
        ("above", (99, 100, 101, 99, 101), [2]),
        ("above", (101, 102), [1]),
        ("below", (101, 100, 99), [2]),
        ("crosses", (101, 102, 99, 101), [3]),
        ("crosses", (99, 98, 100), [3]),
        ("crosses", (101,), []),
    ],
)
def test_each_condition_tells_once(condition: PriceCondition, prices: tuple[float, ...], told: list[int]) -> None:
    """One that does not repeat is told the first time its condition holds, and never again."""
    assert play(asked(condition), *prices)[1] == told


def test_a_repeating_one_waits_for_its_cooldown_and_for_the_price_to_come_back() -> None:
    """Staying there tells nothing more; coming back within the cooldown neither."""
    one = asked("above", repeat=True, cooldown_seconds=300)
    assert play(one, 101, 102, 99, 101, 99, 99, 101, 101)[1] == [1, 7]
    assert play(asked("crosses", repeat=True, cooldown_seconds=0), 99, 101, 99, 101)[1] == [2, 3, 4]


def test_a_move_is_measured_within_its_window_both_ways() -> None:
    """Five per cent within ten minutes counts, the same over an hour does not."""
    one = asked("moves", 0.05, window_seconds=600)
    assert play(one, 100, 102, 105.1)[1] == [3]
    assert play(one, 100, 98, 94.9)[1] == [3]
    assert play(one, 100, 102, 105.1, every=601)[1] == []
    state, told = play(asked("moves", 0.05, window_seconds=600, repeat=True, cooldown_seconds=0), 100, 105.1, 105.2)
    assert told == [2]
    assert len(state.prices.alerts["p"].samples) <= 49


@given(some.lists(some.floats(90, 110), min_size=1, max_size=30), some.integers(0, 29))
def test_a_restart_neither_loses_nor_doubles(prices: list[float], cut: int) -> None:
    """Encoding the state at any moment and repeating the ticks around it changes nothing."""
    for condition in ("above", "below", "crosses"):
        one = asked(condition, repeat=True, cooldown_seconds=120)
        world, whole, broken = World(RuntimeSettings(), 0, (), (one,)), State(), State()
        ticks = [(PriceTick(at=SCAN + 60_000 * n, prices={"AAAUSDT": p}), False) for n, p in enumerate(prices)]
        expected = handler.take_ticks(whole, ticks, world).outputs
        first = handler.take_ticks(broken, ticks[:cut], world)
        again = states.load(states.dump(first.state))
        second = handler.take_ticks(again, ticks[max(0, cut - 3) :], world)
        assert [*first.outputs, *second.outputs] == expected


def test_one_crossed_while_nobody_looked_is_told_on_return() -> None:
    """The first tick after the gap lies on the other side: told, and it says why so late."""
    one = asked("crosses")
    state, _ = play(one, 99.0)
    tick = PriceTick(at=SCAN + 3_600_000, prices={"AAAUSDT": 101.0})
    outcome = handler.take_ticks(state, [(tick, True)], World(RuntimeSettings(), 0, (), (one,)))
    body: Any = outcome.outputs[0][1].body  # type: ignore[union-attr]
    assert body.while_down


def test_one_crossed_and_left_again_while_nobody_looked_is_found_in_the_bar() -> None:
    """A bar within which no tick was seen is evaluated itself; one with ticks is not."""
    one = asked("above", 105.0)
    state, _ = play(one, 99.0)
    made = analysis(scan_id=SCAN + 4 * STEP, bar=(99.0, 106.0, 98.0, 99.0, 1.0))
    world = World(RuntimeSettings(), 0, (), (one,))
    for last_tick, expected in ((SCAN + 1, True), (made.scan_id - 1_000, False)):
        tick = PriceTick(at=last_tick, prices={"AAAUSDT": 99.0})
        seen = handler.take_ticks(State(), [(tick, False)], world).state
        outcome = handler.settle_scan(
            seen, opened("AAAUSDT", scan_id=made.scan_id), {"AAAUSDT": made}, world, opened_wall=0
        )
        found = [m for _, m in outcome.outputs if isinstance(m, Alert) and m.kind == "price"]
        assert bool(found) == expected
    assert state.prices.alerts["p"].price == 99.0


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (asked("crosses", 105.0), True),
        (asked("crosses", 107.0), False),
        (asked("above", 105.0), True),
        (asked("moves", 0.08, window_seconds=600), True),
        (asked("moves", 0.08, window_seconds=120), False),
        (asked("moves", 0.10, window_seconds=600), False),
        (asked("crosses", 105.0, repeat=True, cooldown_seconds=0), True),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_what_happened_within_a_missed_bar_is_told_though_ticks_have_gone_on(
    one: PriceAlert, found: bool, later: bool
) -> None:
    """On return the new ticks are read before the old bar is settled; afterwards they go on from where they were."""
    world = World(RuntimeSettings(), 0, (), (one,))
    made = analysis(scan_id=SCAN + 4 * STEP, bar=(99.0, 106.0, 98.0, 99.0, 1.0))
    state, _ = play(one, 99.0)
    ticks = [made.scan_id + 1_000] * later
    seen = handler.take_ticks(state, [(PriceTick(at=at, prices={"AAAUSDT": 99.0}), True) for at in ticks], world)
    scan = opened("AAAUSDT", scan_id=made.scan_id)
    outcome = handler.settle_scan(seen.state, scan, {"AAAUSDT": made}, world, opened_wall=0)
    told: list[Any] = [m.body for _, m in outcome.outputs if isinstance(m, Alert) and m.kind == "price"]
    assert [body.while_down for body in told] == [True] * len(told)
    assert bool(told) == found
    after = handler.take_ticks(
        outcome.state, [(PriceTick(at=made.scan_id + 2_000, prices={"AAAUSDT": 99.0}), False)], world
    )
    assert after.outputs == []


def test_what_was_told_before_the_bus_was_lost_is_not_told_again() -> None:
    """The time of the last telling comes back from Postgres, and a single one stays told."""
    state = restoring.restore(StateRestored(version=1, price_alert_states={"p": SCAN}))
    assert play(asked("above"), 101, 102, state=state)[1] == []


def test_prices_before_it_was_made_do_not_count() -> None:
    """Only ticks after its creation are looked at."""
    assert play(asked("above", created_at=SCAN + 150_000), 101, 101, 101)[1] == [3]


def test_a_changed_price_starts_anew_and_a_removed_one_is_forgotten() -> None:
    """Another price under the same id may be told again; nothing is kept of what nobody asks for."""
    state, _ = play(asked("above", 100.0), 101)
    assert play(asked("above", 102.0), 103, state=state)[1] == [1]
    gone = handler.take_ticks(
        state, [(PriceTick(at=SCAN + STEP, prices={"AAAUSDT": 1.0}), False)], World(RuntimeSettings(), 0, (), ())
    )
    assert gone.state.prices.alerts == {}
    assert gone.state.prices.fired == {}


def test_between_an_old_bar_and_a_newer_tick_nothing_is_crossed() -> None:
    """The way from the newest tick's price back to a missed bar's is nobody's move."""
    one = asked("crosses", 105.0, repeat=True, cooldown_seconds=0)
    world = World(RuntimeSettings(), 0, (), (one,))
    made = analysis(scan_id=SCAN + 4 * STEP, bar=(99.0, 101.0, 98.0, 99.0, 1.0))
    state, _ = play(one, 99.0)
    ticks = [PriceTick(at=made.scan_id + at, prices={"AAAUSDT": 110.0}) for at in (1_000, 2_000)]
    crossed = handler.take_ticks(state, [(ticks[0], True)], world)
    settled = handler.settle_scan(
        crossed.state, opened("AAAUSDT", scan_id=made.scan_id), {"AAAUSDT": made}, world, opened_wall=0
    )
    after = handler.take_ticks(settled.state, [(ticks[1], False)], world)
    told = [m for outcome in (crossed, settled, after) for _, m in outcome.outputs if isinstance(m, Alert)]
    assert [alert.alert_id for alert in told] == [f"price:p:{ticks[0].at}"]
