"""The lifecycle of an open signal, by ticks and by closed bars."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.gatekeeper import handler
from services.gatekeeper.domain import lifecycle
from services.gatekeeper.domain import state as states
from services.gatekeeper.domain.state import State, Tracked
from services.gatekeeper.handler import JudgingContext
from shared import ids as ids_module
from shared.config.environment import MARKET
from shared.contracts import Alert, LifecycleBody, PriceTick, Side
from shared.settings import LifecycleSettings, RuntimeSettings, Thresholds
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened, signal

LATER = SCAN + STEP


def bar(opened: float, high: float, low: float, close: float, side: Side = "long") -> tuple[float, ...]:
    """Return a bar, mirrored at 100 for a short."""
    if side == "long":
        return (opened, high, low, close, 1.0)
    return (200 - opened, 200 - low, 200 - high, 200 - close, 1.0)


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (99.0, "stop"),
        (98.0, "stop"),
        (99.25, "danger"),
        (99.26, "caution"),
        (99.5, "caution"),
        (99.51, None),
        (100.0, None),
        (100.79, None),
        (100.8, "moved"),
        (101.99, "moved"),
        (102.0, "target"),
    ],
)
def test_live_labels(side: Side, price: float, expected: str | None) -> None:
    """Labels change at 50 and 75 % of the way to the stop and 40 % of the way to the target."""
    mirrored = price if side == "long" else 200 - price
    assert lifecycle.label(signal(side), mirrored) == expected


def test_one_atr_is_too_late_as_well() -> None:
    """A move of one ATR counts as moved though the target is far away."""
    far = signal(target=110.0)
    assert lifecycle.label(far, 101.0) == "moved"
    assert lifecycle.label(far, 100.9) is None


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize(
    ("values", "event", "result"),
    [
        ((100, 102.0, 99.5, 101), "target", 2.0),
        ((100, 101.99, 99.01, 101), None, None),
        ((100, 100.5, 99.0, 100), "stop", -1.0),
        ((100, 103.0, 98.0, 101), "stop", -1.0),
    ],
)
def test_the_closed_bar_decides(
    side: Side, values: tuple[float, float, float, float], event: str | None, result: float | None
) -> None:
    """A touch is enough, and both inside one bar counts as the stop."""
    made = analysis(scan_id=LATER, side=side, bar=bar(*values, side=side))
    _, end = lifecycle.on_bar(Tracked(signal=signal(side)), made, LATER)
    assert (end.event if end else None) == event
    assert (end.result_r if end else None) == (pytest.approx(result) if result is not None else None)


def test_the_bar_of_the_entry_does_not_count() -> None:
    """A signal opens at its scan's close: that bar lies behind it."""
    made = analysis(bar=(100.0, 110.0, 90.0, 100.0, 1.0))
    assert lifecycle.on_bar(Tracked(signal=signal()), made, SCAN)[1] is None


def test_a_tick_announces_and_the_bar_confirms_with_the_same_id() -> None:
    """The early end and the bar's have one alert id, and only the bar's ends the signal."""
    tracked, early = lifecycle.on_tick(Tracked(signal=signal()), 102.5, SCAN + 1_000)
    made = analysis(scan_id=LATER, bar=(100.0, 102.5, 100.0, 102.0, 1.0))
    after, final = lifecycle.on_bar(tracked, made, LATER)
    assert final is not None
    ids = {lifecycle.alert(after, body, at=1, scan_id=LATER, now=2).alert_id for body in (*early, final)}
    assert ids == {ids_module.lifecycle_alert_id(signal().signal_id, "target")}
    assert [body.early for body in (*early, final)] == [True, False]


def test_a_bar_that_contradicts_the_tick_takes_it_back() -> None:
    """A price that the closed bar does not know ends nothing; labels go on."""
    tracked, _ = lifecycle.on_tick(Tracked(signal=signal()), 102.5, SCAN + 1_000)
    assert lifecycle.on_tick(tracked, 99.1, SCAN + 2_000)[1] == []
    made = analysis(scan_id=LATER, bar=(100.0, 101.0, 99.6, 100.0, 1.0))
    after, end = lifecycle.on_bar(tracked, made, LATER)
    assert end is None
    assert after.signal.announced == ""
    assert [body.event for body in lifecycle.on_tick(after, 99.1, LATER + 1_000)[1]] == ["danger"]


def test_an_announcement_waits_for_its_own_bar() -> None:
    """A tick after a close that is still being settled belongs to the next bar."""
    tracked, _ = lifecycle.on_tick(Tracked(signal=signal()), 102.5, LATER + 1_000)
    made = analysis(scan_id=LATER, bar=(100.0, 101.0, 99.6, 100.0, 1.0))
    assert lifecycle.on_bar(tracked, made, LATER)[0].signal.announced == "target"


def test_without_its_bar_the_announcement_stands() -> None:
    """Where the symbol is missing from the deciding scan, the early end stands."""
    tracked, _ = lifecycle.on_tick(Tracked(signal=signal()), 98.5, SCAN + 1_000)
    _, end = lifecycle.on_bar(tracked, None, LATER)
    assert end is not None
    assert (end.event, end.reason, end.early, end.price) == ("stop", "bar missing", False, 98.5)


@given(some.lists(some.floats(99.01, 101.99), min_size=1, max_size=40))
def test_each_event_is_told_once_and_caution_never_after_danger(prices: list[float]) -> None:
    """On any path of the price, no event is alerted twice."""
    tracked, sent = Tracked(signal=signal()), []
    for number, price in enumerate(prices):
        tracked, bodies = lifecycle.on_tick(tracked, price, SCAN + 1_000 * (number + 1))
        sent += [body.event for body in bodies]
    assert len(sent) == len(set(sent))
    assert "caution" not in sent[sent.index("danger") :] if "danger" in sent else True


@given(some.lists(some.tuples(some.floats(99.01, 101.99), some.floats(99.01, 101.99)), min_size=1, max_size=20))
def test_excursions_are_the_extremes_of_the_bars(ranges: list[tuple[float, float]]) -> None:
    """Best and worst are the highest high and the lowest low since the entry, in R."""
    tracked = Tracked(signal=signal())
    for number, (one, other) in enumerate(ranges):
        at = SCAN + STEP * (number + 1)
        made = analysis(scan_id=at, bar=(100.0, max(one, other), min(one, other), 100.0, 1.0))
        tracked, _ = lifecycle.on_bar(tracked, made, at)
    highs, lows = [max(pair) for pair in ranges], [min(pair) for pair in ranges]
    assert tracked.signal.best_r == pytest.approx(max(0.0, max(highs) - 100))
    assert tracked.signal.worst_r == pytest.approx(min(0.0, min(lows) - 100))


def judged(tracked: Tracked, scans: list[float | None]) -> tuple[list[str], Tracked]:
    """Show the signal one analysis with each score (None: missing) and return the ends."""
    ends = []
    for number, score in enumerate(scans):
        at = SCAN + STEP * (number + 1)
        made = None if score is None else analysis(scan_id=at, score=score)
        tracked, end = lifecycle.on_analysis(
            tracked, made, at, qualified=False, limits=Thresholds(), rules=LifecycleSettings(expiry_hours=1.0)
        )
        ends += [end.event + end.reason] if end else []
    return ends, tracked


def test_three_weak_scans_in_a_row_invalidate() -> None:
    """Below the threshold less 15 for three scans; a better one in between begins anew."""
    assert judged(Tracked(signal=signal()), [49.9, 49.9, 50.0, 49.9, 49.9])[0] == []
    assert judged(Tracked(signal=signal()), [49.9, None, 49.9, 49.9])[0] == ["invalidatedscore fell"]


def test_the_other_side_invalidates_only_when_it_qualifies() -> None:
    """An analysis of the other side that passed all gates ends the signal."""
    for qualified, expected in ((True, "invalidated"), (False, None)):
        made = analysis(scan_id=LATER, side="short", long_score=60.0)
        _, end = lifecycle.on_analysis(
            Tracked(signal=signal()), made, LATER, qualified=qualified, limits=Thresholds(), rules=LifecycleSettings()
        )
        assert (end.event if end else None) == expected


def test_a_signal_expires_on_the_exchanges_clock() -> None:
    """After its hours it ends at the close, with what it came to."""
    ends, tracked = judged(Tracked(signal=signal()), [80.0] * 12)
    assert ends == ["expired"]
    late = msgspec.structs.replace(analysis(scan_id=SCAN + 12 * STEP, close=100.5), score=80.0)
    _, end = lifecycle.on_analysis(
        tracked, late, SCAN + 12 * STEP, qualified=False, limits=Thresholds(), rules=LifecycleSettings(expiry_hours=1.0)
    )
    assert end is not None
    assert end.result_r == pytest.approx(0.5)


def test_without_a_bar_it_expires_at_the_last_known_close() -> None:
    """A symbol that left the exchange is not said to have ended where it was entered."""
    tracked, _ = lifecycle.on_bar(Tracked(signal=signal()), analysis(scan_id=LATER, close=100.5), LATER)
    for known, result in ((tracked, 0.5), (Tracked(signal=signal()), 0.0)):
        _, end = lifecycle.on_analysis(
            known,
            None,
            SCAN + 12 * STEP,
            qualified=False,
            limits=Thresholds(),
            rules=LifecycleSettings(expiry_hours=1.0),
        )
        assert end is not None
        assert end.event == "expired"
        assert end.result_r == pytest.approx(result)


Scan = some.tuples(
    some.booleans(),  # whether the symbol is in it
    some.floats(97.5, 103.5),  # one end of the bar
    some.floats(97.5, 103.5),  # the other
    some.sampled_from([80.0, 40.0]),  # the score of either side
    some.lists(some.floats(97.5, 103.5), max_size=4),  # ticks, which the bar may contradict
)
ENDS = {"target", "stop", "invalidated", "expired"}


@given(some.sampled_from(["long", "short"]), some.lists(Scan, min_size=1, max_size=14))
def test_a_signal_ends_exactly_once(side: Side, scans: list[Any]) -> None:
    """With any bars and ticks, and a restart after each: one end, nothing after it, each event alerted once."""
    world = JudgingContext(MARKET, RuntimeSettings(lifecycle=LifecycleSettings(expiry_hours=1.0)), 0)
    state, sent = State(signals={f"binance-um:AAAUSDT:{side}": Tracked(signal=signal(side))}), list[LifecycleBody]()
    for number, (present, one, other, score, prices) in enumerate(scans, 1):
        close = SCAN + STEP * number
        ticks = [PriceTick(at=close - 5_000 + at, prices={"AAAUSDT": price}) for at, price in enumerate(prices)]
        shown = handler.take_ticks(state, [(tick, False) for tick in ticks], world)
        bar = (100.0, max(one, other), min(one, other), 100.0, 1.0)
        made = analysis(scan_id=close, side=side, bar=bar, score=score, groups=())  # opens nothing
        settled = handler.settle_scan(
            shown.state, opened("AAAUSDT", scan_id=close), {"AAAUSDT": made} if present else {}, world, opened_wall=0
        )
        messages = [message for outcome in (shown, settled) for _, message in outcome.outputs]
        sent += [m.body for m in messages if isinstance(m, Alert) and isinstance(m.body, LifecycleBody)]
        state = states.load(states.dump(settled.state))
        for tracked in state.signals.values():
            assert -1 <= tracked.signal.worst_r <= 0 <= tracked.signal.best_r <= 2 + 1e-9
    ends = [body for body in sent if body.event in ENDS and not body.early]
    assert len(ends) == (not state.signals)
    assert ends == sent[-1:] if ends else len(scans) < 12  # an hour is twelve scans
    assert max(Counter((body.event, body.early) for body in sent).values(), default=1) == 1
    assert all(body.worst_r <= body.result_r <= body.best_r for body in sent)
    for body in ends:
        if body.event in ("target", "stop") and not body.reason:
            assert body.result_r == pytest.approx(2.0 if body.event == "target" else -1.0)
