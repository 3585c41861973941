"""A scan is settled as a whole: messages in any order and number give one result."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.gatekeeper import handler
from services.gatekeeper.domain import recovery
from services.gatekeeper.domain import state as states
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import Handled, JudgingContext
from services.gatekeeper.runtime.pending_scans import AnalysisInbox
from shared import ids
from shared.bus import Delivery, Token
from shared.config.environment import MARKET
from shared.contracts import (
    Alert,
    Analysis,
    AnomalyFigures,
    Comparable,
    Decision,
    Message,
    Mute,
    OpenSignal,
    PriceTick,
    ScanSettled,
    Side,
    StateRestored,
    Stream,
    SystemBody,
    TradeLevels,
    Worth,
)
from shared.gate import Appearance
from shared.settings import AnomalySettings, LifecycleSettings, RuntimeSettings, SymbolThresholds, Thresholds
from tests.chaos.market import SETTINGS, ChaosMarket
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, levels, opened

WORLD = JudgingContext(MARKET, RuntimeSettings(), now=1_000_000)


def settle(state: State, *analyses: Analysis, world: JudgingContext = WORLD, scan: Any = None, **more: Any) -> Handled:
    """Settle a scan of *analyses*."""
    scan = scan or opened(*(one.symbol for one in analyses), scan_id=analyses[0].scan_id)
    return handler.settle_scan(state, scan, {one.symbol: one for one in analyses}, world, opened_wall=world.now, **more)


def alerts(outcome: Handled, kind: str = "") -> list[Alert]:
    """Return the alerts of *outcome*."""
    return [m for _, m in outcome.outputs if isinstance(m, Alert) and (not kind or m.kind == kind)]


def outcomes(outcome: Handled) -> dict[str, str]:
    """Return each symbol's outcome."""
    return {m.analysis.symbol: m.outcome for _, m in outcome.outputs if isinstance(m, Decision)}


def row(*scores: float | None, world: JudgingContext = WORLD, state: State | None = None) -> tuple[State, list[str]]:
    """Settle one scan for each score (None: the symbol is missing) and return the outcomes."""
    state, sent = state or State(), []
    for number, score in enumerate(scores):
        at = SCAN + STEP * number
        made = [] if score is None else [analysis(scan_id=at, score=score)]
        outcome = handler.settle_scan(
            state, opened("AAAUSDT", scan_id=at), {one.symbol: one for one in made}, world, opened_wall=world.now
        )
        state = outcome.state
        sent.append(outcomes(outcome).get("AAAUSDT", "missing"))
    return state, sent


def test_a_signal_needs_two_appearances_in_a_row() -> None:
    """The first scan only appears, the second alerts, the third finds it open."""
    assert row(80, 80, 80)[1] == ["rejected", "alerted", "already open"]


def test_a_missing_symbol_breaks_the_row() -> None:
    """Two appearances around a scan without the symbol are two first ones."""
    assert row(80, None, 80)[1] == ["rejected", "missing", "rejected"]


def test_a_missing_scan_breaks_the_row() -> None:
    """Ten minutes apart is not five."""
    first = settle(State(), analysis())
    assert outcomes(settle(first.state, analysis(scan_id=SCAN + 2 * STEP))) == {"AAAUSDT": "rejected"}


def test_a_changed_threshold_resurrects_nothing() -> None:
    """What did not appear under the old threshold does not count under the new one."""
    state, _ = row(60.0)
    lower = JudgingContext(MARKET, RuntimeSettings(thresholds=Thresholds(score=50)), now=WORLD.now)
    made = analysis(scan_id=SCAN + STEP, score=60.0)
    assert outcomes(settle(state, made, world=lower)) == {"AAAUSDT": "rejected"}


Scene = some.tuples(
    some.sampled_from([40.0, 80.0]),  # the score
    some.sampled_from(["long", "short"]),
    some.sampled_from(["there", "missing", "late"]),
    some.sampled_from([30.0, 65.0]),  # the threshold at that time
    some.sampled_from([1, 1, 1, 2]),  # how many scans after the one before
    some.booleans(),  # degraded
)


@given(some.lists(Scene, min_size=1, max_size=10))
def test_persistence_counts_what_was_judged_at_the_time(scenes: list[Any]) -> None:
    """Over restarts after every scan, missing, late and doubled analyses, gaps and changed thresholds."""
    state, at, row, appeared = State(), SCAN, 0, ("", 0)
    for score, side, presence, threshold, gap, degraded in scenes:
        at += gap * STEP
        rules = RuntimeSettings(thresholds=Thresholds(score=threshold, timeframes=0))
        world = JudgingContext(MARKET, rules, now=1_000_000)
        made = analysis("AAAUSDT", at, side, score=score, long_score=score, short_score=score)
        scan = opened("AAAUSDT", scan_id=at, degraded="gap" if degraded else "")
        present = {"AAAUSDT": made} if presence == "there" else {}
        outcome = handler.settle_scan(state, scan, present, world, opened_wall=world.now)
        goes_on = appeared == (side, at - STEP)
        for _, message in outcome.outputs:
            if isinstance(message, Decision):
                assert message.verdicts[6].value == (row if goes_on else 0)
        counts = presence == "there" and score >= threshold and not degraded
        row = (row + 1 if goes_on else 1) if counts else 0
        appeared = (side, at) if counts else ("", 0)
        late = handler.take_late(outcome.state, [made] * (2 if presence == "late" else 0), world)
        state = states.load(states.dump(late.state))


def test_thresholds_can_be_overridden_for_a_symbol() -> None:
    """One symbol can be asked for more than the others."""
    strict = RuntimeSettings(symbol_thresholds={"AAAUSDT": SymbolThresholds(score=90)})
    world = JudgingContext(MARKET, strict, now=0)
    first = settle(State(), analysis(), analysis("BBBUSDT"), world=world)
    second = settle(first.state, analysis(scan_id=SCAN + STEP), analysis("BBBUSDT", SCAN + STEP), world=world)
    assert outcomes(second) == {"AAAUSDT": "rejected", "BBBUSDT": "alerted"}


def test_degraded_and_late_scans_alert_nobody() -> None:
    """Both are stored as inhibited; one system alert on the way in, one on the way out."""
    state, _ = row(80.0)
    scan = opened("AAAUSDT", scan_id=SCAN + STEP, degraded="exchange gap")
    bad = settle(state, analysis(scan_id=SCAN + STEP), scan=scan)
    assert outcomes(bad) == {"AAAUSDT": "inhibited"}
    assert [alert.kind for alert in alerts(bad)] == ["system"]
    late_world = JudgingContext(MARKET, RuntimeSettings(), now=WORLD.now + 700_000)
    made = analysis(scan_id=SCAN + 2 * STEP)
    late = handler.settle_scan(
        bad.state, opened("AAAUSDT", scan_id=made.scan_id), {"AAAUSDT": made}, late_world, opened_wall=WORLD.now
    )
    assert alerts(late) == []
    good = settle(late.state, analysis(scan_id=SCAN + 3 * STEP))
    assert [alert.kind for alert in alerts(good)] == ["system", "signal"]


def test_a_degraded_scan_does_not_count_as_an_appearance() -> None:
    """Data that may raise no signal may not prepare one either."""
    scan = opened("AAAUSDT", degraded="clock")
    state = settle(State(), analysis(), scan=scan).state
    assert outcomes(settle(state, analysis(scan_id=SCAN + STEP))) == {"AAAUSDT": "rejected"}


def test_a_market_wide_move_leaves_as_one_ranked_group() -> None:
    """From the group's size on, one alert, best score first; every member is tracked under it."""
    names = [f"{letter}USDT" for letter in "ABCDEFGH"]
    first = settle(State(), *(analysis(name) for name in names))
    second = settle(first.state, *(analysis(n, SCAN + STEP, score=70.0 + i) for i, n in enumerate(names)))
    assert [alert.kind for alert in alerts(second)] == ["group"]
    body: Any = alerts(second)[0].body
    assert [member.symbol for member in body.members] == names[::-1]
    assert set(outcomes(second).values()) == {"grouped"}
    assert {one.signal.alert_id for one in second.state.signals.values()} == {f"binance-um:group:long:{SCAN + STEP}"}


def test_a_muted_symbol_is_tracked_all_the_same() -> None:
    """Its alert is marked with what holds it back, and its signal opens."""
    muted = JudgingContext(
        MARKET, RuntimeSettings(), now=1_000, mutes=(Mute(mute_id="m", until=5_000, symbol="AAAUSDT"),)
    )
    state, sent = row(80, 80, world=muted)
    assert sent[-1] == "muted"
    assert list(state.signals) == ["AAAUSDT:long"]


def test_a_closed_signal_cools_down() -> None:
    """After its stop the same side gets no alert for an hour of the exchange's clock."""
    state, _ = row(80, 80)
    stopped = analysis(scan_id=SCAN + 2 * STEP, bar=(100.0, 100.0, 98.0, 98.5, 1.0))
    after = settle(state, stopped)
    assert [alert.alert_id.split(":")[-1] for alert in alerts(after)] == ["stop"]
    assert alerts(after)[0].parent_id == f"binance-um:signal:AAAUSDT:long:{SCAN + STEP}"
    sent, state = [], after.state
    for number in range(3, 16):
        outcome = settle(state, analysis(scan_id=SCAN + STEP * number))
        state = outcome.state
        sent.append(outcomes(outcome)["AAAUSDT"])
    assert sent == ["cooldown"] * 11 + ["alerted", "already open"]


def test_anomalies_have_a_cooldown_and_a_limit_per_hour() -> None:
    """The strongest are alerted, at most so many an hour, and each symbol once in its cooldown."""
    world = JudgingContext(MARKET, RuntimeSettings(anomaly=AnomalySettings(per_hour=2)), now=0)
    shocks = [
        analysis(f"{letter}USDT", anomaly=AnomalyFigures(volume_z=4.0 + number, correlation=0.1))
        for number, letter in enumerate("ABC")
    ]
    first = settle(State(), *shocks, world=world)
    assert [alert.symbol for alert in alerts(first, "anomaly")] == ["CUSDT", "BUSDT"]
    later = [msgspec.structs.replace(one, scan_id=SCAN + 13 * STEP) for one in shocks]
    second = settle(first.state, *later, world=world)
    assert [alert.symbol for alert in alerts(second, "anomaly")] == ["AUSDT"]
    body: Any = alerts(second, "anomaly")[0].body
    assert body.headline
    assert body.pull
    assert body.question.endswith("?")


def test_a_late_analysis_is_recorded_and_never_counts() -> None:
    """One that its scan settled without is recorded; a double of one it had is not."""
    outcome = settle(State(), analysis("BBBUSDT"), scan=opened("AAAUSDT", "BBBUSDT"))
    late = handler.take_late(outcome.state, [analysis("AAAUSDT"), analysis("BBBUSDT")], WORLD)
    assert outcomes(late) == {"AAAUSDT": "late"}
    assert late.state is outcome.state
    summary = [m for _, m in outcome.outputs if isinstance(m, ScanSettled)]
    assert summary[0].missing == ("AAAUSDT",)


def test_ticks_after_the_close_reach_a_signal_that_opens_late() -> None:
    """What the price did while the scan was settled is shown to the signal it opened."""
    state, _ = row(80, 80)
    tick = PriceTick(at=SCAN + STEP + 2_000, prices={"AAAUSDT": 99.2})
    seen = handler.take_ticks(State(), [(tick, False)], WORLD).state
    behind = msgspec.structs.replace(seen, signals=state.signals)
    shown = handler.take_ticks(behind, [(tick, False)], WORLD, only=frozenset(state.signals))
    assert [alert.alert_id.split(":")[-1] for alert in alerts(shown)] == ["danger"]
    assert handler.take_ticks(shown.state, [(tick, False)], WORLD).outputs == []


def test_what_a_tick_tells_carries_the_bars_of_the_last_scan() -> None:
    """So its card has a chart; a scan without the symbol leaves the older bars, and a closed signal none."""
    state = settle(State(), analysis(chart=b"old")).state
    state = settle(state, analysis(scan_id=SCAN + STEP, chart=b"bars")).state
    tick = PriceTick(at=SCAN + STEP + 2_000, prices={"AAAUSDT": 99.2})
    shown = handler.take_ticks(state, [(tick, False)], WORLD)
    assert [alert.body.chart for alert in alerts(shown)] == [b"bars"]  # type: ignore[union-attr]
    later = settle(shown.state, scan=opened("AAAUSDT", scan_id=SCAN + 2 * STEP))
    assert states.load(states.dump(later.state)).charts == {"AAAUSDT": b"bars"}
    below = (99.5, 99.6, 98.0, 98.5, 1.0)
    ended = settle(later.state, analysis(scan_id=SCAN + 3 * STEP, bar=below))
    assert [alert.body.chart for alert in alerts(ended, "lifecycle")] == [b"bars"]  # type: ignore[union-attr]
    assert ended.state.charts == {}


@pytest.mark.parametrize("symbols", [("AAAUSDT",), tuple(f"{letter}USDT" for letter in "ABCDEFGH")])
def test_every_event_of_a_signal_says_what_its_alert_said_it_is_worth(symbols: tuple[str, ...]) -> None:
    """Alone or in a group, by tick or by bar and after a restart, whatever the scans since then say."""
    like_this = Comparable(side="long", low=2.0, high=2.5, n=412, hit_rate=0.31, break_even=0.38, days=90)
    told = Worth(cost_r=0.14, comparable=like_this)
    plan = msgspec.structs.replace(levels("long", 100.0), cost_r=told.cost_r)
    state = settle(State(), *(analysis(name) for name in symbols)).state
    made = [analysis(name, SCAN + STEP, levels=plan, comparable=like_this) for name in symbols]
    state = states.load(states.dump(settle(state, *made).state))
    tick = PriceTick(at=SCAN + STEP + 2_000, prices=dict.fromkeys(symbols, 99.2))
    shown = handler.take_ticks(state, [(tick, False)], WORLD)
    later = [analysis(name, SCAN + 2 * STEP, bar=(100.0, 100.0, 98.0, 98.5, 1.0)) for name in symbols]
    bodies: list[Any] = [one.body for one in (*alerts(shown), *alerts(settle(shown.state, *later), "lifecycle"))]
    assert [body.event for body in bodies] == ["danger"] * len(symbols) + ["stop"] * len(symbols)
    assert all(body.worth == told for body in bodies)


def test_the_state_survives_its_encoding() -> None:
    """What was written is what is read; unchanged parts are not written again."""
    state, _ = row(80, 80)
    assert states.load(states.dump(state)) == state
    assert states.changed(state, state) == {}
    assert set(states.changed(State(), state)) == {"progress", "signals", "prices"} - (
        {"prices"} if state.prices == State().prices else set()
    )


def test_postgres_state_goes_on_where_it_was() -> None:
    """Restored signals are open, restored rows count, restored cooldowns hold."""
    state, _ = row(80, 80)
    signal: OpenSignal = state.signals["AAAUSDT:long"].signal
    known = StateRestored(
        version=2,
        open_signals=(signal,),
        appearances={"AAAUSDT": (SCAN + STEP, "long"), "BBBUSDT": (SCAN + STEP, "long")},
        cooldowns={"CCCUSDT:long": SCAN + 9 * STEP},
        settled_scan=SCAN + STEP,
    )
    at = SCAN + 2 * STEP
    again = recovery.restore(known)
    third = settle(again, analysis(scan_id=at), analysis("BBBUSDT", at), analysis("CCCUSDT", at))
    assert outcomes(third) == {"AAAUSDT": "already open", "BBBUSDT": "alerted", "CCCUSDT": "rejected"}
    at += STEP
    fourth = settle(third.state, analysis("CCCUSDT", at))
    assert outcomes(fourth) == {"CCCUSDT": "cooldown"}


def test_what_was_told_before_the_bus_was_lost_is_not_told_again_and_ends_nothing_by_itself() -> None:
    """Labels and an early stop are not repeated; without a bar the signal stays open, and its bar ends it as ever."""
    state, _ = row(80, 80)
    signal: OpenSignal = msgspec.structs.replace(state.signals["AAAUSDT:long"].signal, label="danger", announced="stop")
    known = StateRestored(
        version=2,
        open_signals=(signal,),
        settled_scan=SCAN + STEP,
        told={signal.signal_id: ("caution", "danger", "stop")},
    )
    again = recovery.restore(known)
    at = SCAN + 2 * STEP
    for price in (99.4, 99.2, 98.9):
        shown = handler.take_ticks(again, [(PriceTick(at=at + 1_000, prices={"AAAUSDT": price}), False)], WORLD)
        assert alerts(shown) == []
    missing = settle(again, scan=opened("AAAUSDT", scan_id=at))
    assert alerts(missing) == []
    assert set(missing.state.signals) == {"AAAUSDT:long"}
    ended = settle(missing.state, analysis(scan_id=at + STEP, bar=(99.5, 99.5, 98.8, 99.0, 1.0)))
    assert [(one.alert_id, one.body.result_r) for one in alerts(ended)] == [  # type: ignore[union-attr]
        (ids.lifecycle_alert_id(signal.signal_id, "stop"), -1.0)
    ]


def test_what_nobody_is_known_to_have_got_is_told_before_the_loss_is() -> None:
    """On a bus that never held anything there is nothing to say."""
    untold = Alert(
        alert_id="a", kind="system", body=SystemBody(code="recovered", headline=""), occurred_at=0, created_at=0
    )
    known = StateRestored(version=2, settled_scan=SCAN, untold=(untold,))
    assert [alert.alert_id for alert in recovery.alerts(MARKET, known, now=0)] == ["a", "binance-um:system:restored:2"]
    assert recovery.alerts(MARKET, StateRestored(version=1), now=0) == []


def test_a_row_of_several_scans_comes_back_whole() -> None:
    """Where two earlier scans are asked for, a symbol that had them before the bus was lost has them still."""
    known = StateRestored(version=2, appearances={"AAAUSDT": (SCAN, "long")}, rows={"AAAUSDT": 2}, settled_scan=SCAN)
    world = JudgingContext(MARKET, RuntimeSettings(thresholds=Thresholds(persistence=2)), now=0)
    outcome = settle(recovery.restore(known), analysis(scan_id=SCAN + STEP), world=world)
    assert outcomes(outcome) == {"AAAUSDT": "alerted"}


def test_persistence_may_ask_for_more_than_one_scan() -> None:
    """Each of the two scans before, five and ten minutes ago; a gap anywhere begins anew."""
    world = JudgingContext(MARKET, RuntimeSettings(thresholds=Thresholds(persistence=2)), now=0)
    assert row(80, 80, 80, world=world)[1] == ["rejected", "rejected", "alerted"]
    assert row(80, 80, None, 80, 80, 80, world=world)[1][3:] == ["rejected", "rejected", "alerted"]
    assert row(80, 40, 80, 80, world=world)[1] == ["rejected"] * 4


ODD = some.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308, 100.0])


@given(some.lists(ODD, min_size=9, max_size=9), some.sampled_from(["", "gap"]), some.booleans())
def test_no_figure_stops_a_scan(values: list[float], problem: str, short_bar: bool) -> None:
    """With any figures in an analysis its scan settles, over an open signal as well, and opens nothing unsound."""
    state, _ = row(80, 80)
    side: Side = "long" if values[0] == 100.0 else "short"
    odd = analysis(
        "BBBUSDT",
        SCAN + 2 * STEP,
        side,
        score=values[1],
        bar=() if short_bar else tuple(values[2:7]),
        problem=problem,
        anomaly=AnomalyFigures(volume_z=values[7], correlation=values[8]),
    )
    bad_levels = TradeLevels(
        entry=values[2], stop=values[3], target=values[4], reward_to_risk=values[5],
        weak=False, atr=values[6], stop_reason="", target_reason="",
    )  # fmt: skip
    odd = msgspec.structs.replace(odd, levels=bad_levels)
    rows = {"BBBUSDT": Appearance(side=odd.side, scan_id=SCAN + STEP, length=1)}
    state = msgspec.structs.replace(state, progress=msgspec.structs.replace(state.progress, appearances=rows))
    outcome = settle(state, odd, msgspec.structs.replace(odd, symbol="AAAUSDT"))
    for tracked in outcome.state.signals.values():
        signal = tracked.signal
        assert signal.stop < signal.entry < signal.target or signal.target < signal.entry < signal.stop
        assert math.isfinite(signal.best_r)
        assert math.isfinite(signal.worst_r)


def delivered(messages: list[tuple[Stream, Message]]) -> list[Delivery]:
    """Return *messages* as a consumer would get them, their ids in this order."""
    return [Delivery(Token(stream, "g", f"{n + 1}-0"), message) for n, (stream, message) in enumerate(messages)]


@settings(max_examples=60, deadline=None)
@given(some.integers(0, 10_000), some.integers(0, 2**32))
def test_order_and_doubles_of_messages_make_no_difference(seed: int, shuffle: int) -> None:
    """Analyses and the scan's beginning in any order, any of them twice: the same outputs and state."""
    market, source = ChaosMarket(seed % 50, scans=4), random.Random(shuffle)
    world = JudgingContext(MARKET, SETTINGS, now=0, price_alerts=market.price_alerts())
    plain, mixed = State(), State()
    for index in range(4):
        messages: list[tuple[Stream, Message]] = [(Stream.SCANS, market.opened(index))]
        messages += [(Stream.ANALYSES, market.analyse(one)) for one in market.snapshots(index)]
        doubled = delivered(messages + source.choices(messages, k=5))
        source.shuffle(doubled)
        expected = _settled(plain, delivered(messages), world)
        got = _settled(mixed, doubled, world)
        assert got.outputs == expected.outputs
        assert got.state == expected.state
        plain, mixed = expected.state, got.state


def _settled(state: State, deliveries: list[Delivery], world: JudgingContext) -> Handled:
    inbox = AnalysisInbox()
    inbox.take(deliveries, state.progress.settled_scan)
    inbox.take(deliveries, state.progress.settled_scan)
    held = inbox.oldest()
    assert held is not None
    assert held.opened is not None
    assert held.complete
    assert len(held.tokens) == len(deliveries)
    return handler.settle_scan(state, held.opened, held.facts(), world, opened_wall=0)


@pytest.mark.parametrize("hours", [0.25, 24.0])
def test_the_undisturbed_run_never_has_two_open_signals_of_one_side(hours: float) -> None:
    """Over whole seeded runs, a symbol's side has at most one open signal, and ids are never reused."""
    rules = RuntimeSettings(lifecycle=LifecycleSettings(expiry_hours=hours, cooldown_hours=0))
    for seed in range(10):
        market, state, ids = ChaosMarket(seed, scans=12), State(), []
        for index in range(12):
            analyses = {one.symbol: market.analyse(one) for one in market.snapshots(index)}
            outcome = handler.settle_scan(
                state, market.opened(index), analyses, JudgingContext(MARKET, rules, 0), opened_wall=0
            )
            state = outcome.state
            ids += [alert.alert_id for alert in alerts(outcome)]
            assert all(name == f"{t.signal.symbol}:{t.signal.side}" for name, t in state.signals.items())
        assert len(ids) == len(set(ids))
