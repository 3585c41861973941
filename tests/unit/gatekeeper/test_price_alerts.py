"""Price alerts that users have set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.gatekeeper import handler
from services.gatekeeper.domain import recovery as restoring
from services.gatekeeper.domain import state as states
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import Handled, JudgingContext
from shared.config.environment import MARKET
from shared.contracts import Alert, PriceAlert, PriceCondition, PriceTick, StateRestored
from shared.settings import RuntimeSettings
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened


def asked(condition: PriceCondition, value: float = 100.0, **more: Any) -> PriceAlert:
    """Return a price alert from before the first tick."""
    return PriceAlert(price_alert_id="p", symbol="AAAUSDT", condition=condition, value=value, **more)


def play(one: PriceAlert, *prices: float, state: State | None = None, every: int = 60) -> tuple[State, list[int]]:
    """Show *prices*, one tick each *every* seconds, and return the numbers of those at which it fired."""
    state, sent = state or State(), []
    world = JudgingContext(MARKET, RuntimeSettings(), 0, (), (one,))
    for number, price in enumerate(prices, 1):
        at = max(state.prices.last_tick, SCAN) + every * 1_000
        outcome = handler.take_ticks(state, [(PriceTick(at=at, prices={"AAAUSDT": price}), False)], world)
        state = outcome.state
        sent += [number for _ in outcome.outputs]
    return state, sent


@pytest.mark.parametrize(
    ("condition", "prices", "sent"),
    [
        ("above", (99, 100, 101, 99, 101), [2]),
        ("above", (101, 102), [1]),
        ("below", (101, 100, 99), [2]),
        ("crosses", (101, 102, 99, 101), [3]),
        ("crosses", (99, 98, 100), [3]),
        ("crosses", (101,), []),
    ],
)
def test_each_condition_tells_once(condition: PriceCondition, prices: tuple[float, ...], sent: list[int]) -> None:
    """One that does not repeat fires the first time its condition holds, and never again."""
    assert play(asked(condition), *prices)[1] == sent


def test_a_repeating_one_waits_for_its_cooldown_and_for_the_price_to_come_back() -> None:
    """Staying there does not fire again; coming back within the cooldown neither."""
    one = asked("above", repeat=True, cooldown_seconds=300)
    assert play(one, 101, 102, 99, 101, 99, 99, 101, 101)[1] == [1, 7]
    assert play(asked("crosses", repeat=True, cooldown_seconds=0), 99, 101, 99, 101)[1] == [2, 3, 4]


def test_a_move_is_measured_within_its_window_both_ways() -> None:
    """Five per cent within ten minutes counts, the same over an hour does not."""
    one = asked("moves", 0.05, window_seconds=600)
    assert play(one, 100, 102, 105.1)[1] == [3]
    assert play(one, 100, 98, 94.9)[1] == [3]
    assert play(one, 100, 102, 105.1, every=601)[1] == []
    state, sent = play(asked("moves", 0.05, window_seconds=600, repeat=True, cooldown_seconds=0), 100, 105.1, 105.2)
    assert sent == [2]
    assert len(state.prices.alerts["p"].samples) <= 49


@given(some.lists(some.floats(90, 110), min_size=1, max_size=30), some.integers(0, 29))
def test_a_restart_neither_loses_nor_doubles(prices: list[float], cut: int) -> None:
    """Encoding the state at any moment and repeating the ticks around it changes nothing."""
    for condition in ("above", "below", "crosses"):
        one = asked(condition, repeat=True, cooldown_seconds=120)
        world, whole, broken = JudgingContext(MARKET, RuntimeSettings(), 0, (), (one,)), State(), State()
        ticks = [(PriceTick(at=SCAN + 60_000 * n, prices={"AAAUSDT": p}), False) for n, p in enumerate(prices)]
        expected = handler.take_ticks(whole, ticks, world).outputs
        first = handler.take_ticks(broken, ticks[:cut], world)
        again = states.load(states.dump(first.state))
        second = handler.take_ticks(again, ticks[max(0, cut - 3) :], world)
        assert [*first.outputs, *second.outputs] == expected


def test_one_crossed_while_nobody_looked_is_told_on_return() -> None:
    """The first tick after the gap is on the other side: it fires, marked as late."""
    one = asked("crosses")
    state, _ = play(one, 99.0)
    tick = PriceTick(at=SCAN + 3_600_000, prices={"AAAUSDT": 101.0})
    outcome = handler.take_ticks(state, [(tick, True)], JudgingContext(MARKET, RuntimeSettings(), 0, (), (one,)))
    body: Any = outcome.outputs[0][1].body  # type: ignore[union-attr]
    assert body.while_down


BAR = SCAN + 4 * STEP  #: a close, and what its bar did
BAR_PRICES = (99.0, 106.0, 98.0, 99.0, 1.0)
NO_HOLE = range(0)


def alerts_of(*steps: Handled) -> list[Alert]:
    """Return the price alerts of *steps*."""
    messages = [message for outcome in steps for _, message in outcome.outputs]
    return [message for message in messages if isinstance(message, Alert) and message.kind == "price"]


def settle(state: State, bar: tuple[float, ...], close: int, world: JudgingContext) -> Handled:
    """Settle the scan of *bar*, which passes no gate."""
    made = analysis(scan_id=close, bar=bar, score=0.0)
    return handler.settle_scan(state, opened("AAAUSDT", scan_id=close), {"AAAUSDT": made}, world, opened_wall=0)


def around_a_hole(
    one: PriceAlert, hole: range, bar: tuple[float, ...] = BAR_PRICES, path: tuple[float, ...] = (99.0,)
) -> list[Alert]:
    """Show a tick every ten seconds along *path*, but for those of *hole*; then settle the bar of `BAR`."""
    world = JudgingContext(MARKET, RuntimeSettings(), 0, (), (one,))
    ticks = [
        PriceTick(at=BAR - STEP + second * 1_000, prices={"AAAUSDT": path[max(0, second) * len(path) // 300]})
        for second in range(-300, 300, 10)
        if second not in hole
    ]
    seen = handler.take_ticks(State(), [(tick, False) for tick in ticks], world)
    return alerts_of(seen, settle(seen.state, bar, BAR, world))


@pytest.mark.parametrize(
    ("hole", "found"),
    [
        (NO_HOLE, False),
        (range(-200, -20), False),
        (range(120, 130), True),
        (range(30, 270), True),
        (range(240, 300), True),
    ],
)
def test_one_crossed_and_left_again_while_nobody_looked_is_found_in_the_bar(hole: range, found: bool) -> None:
    """A bar from which ticks are missing is evaluated itself, however few; one that was watched is not."""
    sent: list[Any] = around_a_hole(asked("above", 105.0), hole)
    assert [(alert.occurred_at, alert.body.while_down) for alert in sent] == [(BAR, True)] * found


@pytest.mark.parametrize("repeat", [False, True])
def test_what_a_tick_told_the_bar_does_not_tell_again(repeat: bool) -> None:
    """Fired by a tick within the bar, it does not fire again for the unseen part of the same bar."""
    one = asked("above", 105.0, repeat=repeat, cooldown_seconds=0)
    sent: list[Any] = around_a_hole(one, range(200, 250), path=(99.0, 106.0, 99.0))
    assert [alert.body.while_down for alert in sent] == [False]


def test_one_that_waits_for_the_price_to_come_back_is_not_told_by_the_bar_it_came_back_in() -> None:
    """Above all the time and below at the bar's end: ready again, but nothing rose within that bar."""
    one = asked("above", 100.0, repeat=True, cooldown_seconds=0)
    sent = around_a_hole(one, range(100, 200), (101.0, 101.5, 99.0, 99.0, 1.0), path=(101.0, 101.0, 99.0))
    assert [alert.occurred_at for alert in sent] == [BAR - 2 * STEP]


@settings(deadline=None)
@given(
    some.lists(some.floats(90, 110), min_size=18, max_size=18),
    some.integers(1, 89),
    some.integers(0, 88),
    some.booleans(),
)
def test_whatever_ticks_are_lost_an_alert_is_told_exactly_when_it_would_have_been(
    points: list[float], first: int, count: int, late: bool
) -> None:
    """Three bars with a hole anywhere, their scans settled before or after newer ticks were read."""
    path = np.interp(np.arange(91) / 5, np.arange(19), [100.0, *points]).tolist()  # a price every ten seconds
    for condition, value in (("above", 104.0), ("below", 96.0), ("crosses", 102.0)):
        one = asked(condition, value)  # type: ignore[arg-type]
        hole = range(first, first + count)
        assert told_over(one, path, hole, late) == told_over(one, path, NO_HOLE, late)


def told_over(one: PriceAlert, path: list[float], hole: range, late: bool) -> int:
    """Return how often *one* fires over the three bars of *path*, whose ticks in *hole* are lost."""
    world, state, sent = JudgingContext(MARKET, RuntimeSettings(), 0, (), (one,)), State(), 0
    for number in range(3 + late):
        steps = [step for step in range(30 * number, min(30 * number + 30, 90)) if step not in hole]
        ticks = [PriceTick(at=SCAN + 10_000 * step, prices={"AAAUSDT": path[step]}) for step in steps]
        shown = handler.take_ticks(state, [(tick, False) for tick in ticks], world)
        state, sent = shown.state, sent + len(alerts_of(shown))
        if 0 <= (closed := number - late) < 3:
            part = path[30 * closed : min(30 * closed + 31, 90)]  # no tick shows the last price of all
            bar = (part[0], max(part), min(part), part[-1], 1.0)
            settled = settle(state, bar, SCAN + STEP * (closed + 1), world)
            state, sent = settled.state, sent + len(alerts_of(settled))
    return sent


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
    world = JudgingContext(MARKET, RuntimeSettings(), 0, (), (one,))
    made = analysis(scan_id=SCAN + 4 * STEP, bar=(99.0, 106.0, 98.0, 99.0, 1.0))
    state, _ = play(one, 99.0)
    ticks = [made.scan_id + 1_000] * later
    seen = handler.take_ticks(state, [(PriceTick(at=at, prices={"AAAUSDT": 99.0}), True) for at in ticks], world)
    scan = opened("AAAUSDT", scan_id=made.scan_id)
    outcome = handler.settle_scan(seen.state, scan, {"AAAUSDT": made}, world, opened_wall=0)
    sent: list[Any] = [m.body for _, m in outcome.outputs if isinstance(m, Alert) and m.kind == "price"]
    assert [body.while_down for body in sent] == [True] * len(sent)
    assert bool(sent) == found
    after = handler.take_ticks(
        outcome.state, [(PriceTick(at=made.scan_id + 2_000, prices={"AAAUSDT": 99.0}), False)], world
    )
    assert after.outputs == []


def test_what_was_told_before_the_bus_was_lost_is_not_told_again() -> None:
    """The time of the last firing comes back from Postgres, and one that does not repeat stays fired."""
    state = restoring.restore(StateRestored(version=1, price_alert_states={"p": SCAN}))
    assert play(asked("above"), 101, 102, state=state)[1] == []


def test_prices_before_it_was_made_do_not_count() -> None:
    """Only ticks after its creation are looked at."""
    assert play(asked("above", created_at=SCAN + 150_000), 101, 101, 101)[1] == [3]


def test_a_changed_price_starts_anew_and_a_removed_one_is_forgotten() -> None:
    """Another price under the same id may fire again; a removed alert leaves no state."""
    state, _ = play(asked("above", 100.0), 101)
    assert play(asked("above", 102.0), 103, state=state)[1] == [1]
    gone = handler.take_ticks(
        state,
        [(PriceTick(at=SCAN + STEP, prices={"AAAUSDT": 1.0}), False)],
        JudgingContext(MARKET, RuntimeSettings(), 0, (), ()),
    )
    assert gone.state.prices.alerts == {}
    assert gone.state.prices.fired == {}


def test_between_an_old_bar_and_a_newer_tick_nothing_is_crossed() -> None:
    """From the newest tick's price back to a missed bar's is no move."""
    one = asked("crosses", 105.0, repeat=True, cooldown_seconds=0)
    world = JudgingContext(MARKET, RuntimeSettings(), 0, (), (one,))
    made = analysis(scan_id=SCAN + 4 * STEP, bar=(99.0, 101.0, 98.0, 99.0, 1.0))
    state, _ = play(one, 99.0)
    ticks = [PriceTick(at=made.scan_id + at, prices={"AAAUSDT": 110.0}) for at in (1_000, 2_000)]
    crossed = handler.take_ticks(state, [(ticks[0], True)], world)
    settled = handler.settle_scan(
        crossed.state, opened("AAAUSDT", scan_id=made.scan_id), {"AAAUSDT": made}, world, opened_wall=0
    )
    after = handler.take_ticks(settled.state, [(ticks[1], False)], world)
    sent = [m for outcome in (crossed, settled, after) for _, m in outcome.outputs if isinstance(m, Alert)]
    assert [alert.alert_id for alert in sent] == [f"binance-um:price:p:{ticks[0].at}"]
