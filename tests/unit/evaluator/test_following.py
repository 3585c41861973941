"""One scan after another: begun once, ended once, with any bars missing."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from services.evaluator.domain import controls, following
from services.evaluator.domain.following import FollowingState, take_scan
from shared.contracts import SCAN_MS, Decision, Outcome, TradeLevels, pack
from shared.settings import RuntimeSettings
from tests.unit.evaluator.facts import SCAN, decision

SETTINGS = RuntimeSettings()
SYMBOLS = tuple(f"C{number}USDT" for number in range(3))


def settings_at(version: int) -> RuntimeSettings:
    return SETTINGS


def run(scans: dict[int, list[Decision]]) -> tuple[FollowingState, list[Outcome]]:
    """Take every scan in turn; the state travels as bytes, as it does between two processes."""
    state, told = FollowingState(), list[Outcome]()
    for scan_id in sorted(scans):
        given_ = {one.analysis.symbol: one for one in scans[scan_id]}
        after, news = take_scan(following.load(following.dump(state)), scan_id, given_, settings_at)
        state, told = after, told + news
    return state, told


@cache
def market(seed: int, scans: int = 310, *, signals: int = 3) -> dict[int, list[Decision]]:
    """Return a walk of five coins with a few signals and near misses in it, charts included."""
    source = random.Random(seed)
    paths = {symbol: [(100.0, 100.0, 100.0, 100.0)] for symbol in SYMBOLS}
    first = SCAN - SCAN % 900_000 - 96 * 900_000
    for path in paths.values():
        for _ in range((SCAN - first) // SCAN_MS + scans):
            close = path[-1][3] * (1 + source.gauss(0, 0.002))
            path.append((path[-1][3], max(path[-1][3], close) * 1.0005, min(path[-1][3], close) * 0.9995, close))
    chosen = {(source.randrange(scans // 8), source.choice(SYMBOLS)) for _ in range(signals)}
    made: dict[int, list[Decision]] = {}
    for index in range(scans):
        scan_id = SCAN + index * SCAN_MS
        made[scan_id] = []
        for symbol, path in paths.items():
            at = (scan_id - first) // SCAN_MS
            bars = path[1 : at + 1]
            changes: dict[str, Any] = {"close": bars[-1][3], "bar": (*bars[-1], 1.0), "chart": chart(bars, first)}
            changes["derivatives"] = {"funding_8h": 0.0004, "funding_interval": 4.0}
            near = ("volume",) if source.random() < 0.02 else ("volume", "score")
            signal = (index, symbol) in chosen
            made[scan_id].append(decision(symbol, scan_id, signal=signal, refused=near, **changes))
    return made


def chart(bars: Sequence[tuple[float, ...]], first: int) -> bytes:
    """Return the last 96 bars of 15m, the last one perhaps so far."""
    begins = max(0, (len(bars) + 2) // 3 - 96)
    parts = [bars[at : at + 3] for at in range(3 * begins, len(bars), 3)]
    rows = [
        (
            first + 900_000 * (begins + number),
            part[0][0],
            max(b[1] for b in part),
            min(b[2] for b in part),
            part[-1][3],
            1.0,
        )
        for number, part in enumerate(parts)
    ]
    return pack(np.array(rows).T)


@pytest.mark.parametrize("seed", range(3))
def test_all_is_begun_once_and_ended_once(seed: int) -> None:
    """Every signal and its three controls; a near miss of a coin, side and gate never while another is followed."""
    scans = market(seed)
    state, told = run(scans)
    begun = Counter(one.outcome_id for one in told if not one.result and one.entry > 0)
    ended = Counter(one.outcome_id for one in told if one.result)
    signals = [one.signal_id for made in scans.values() for one in made if one.signal_id]
    assert set(begun.values()) | set(ended.values()) <= {1}
    assert set(begun) == set(ended) | set(state.followed)
    for name in signals:
        for kind in ("", "#other side", "#other coin", "#other moment"):
            assert name + kind in begun.keys() | state.planned.keys()
    spans: dict[str, list[tuple[int, int]]] = {}
    for one in told:
        if one.kind == "near miss" and one.result:
            spans.setdefault(f"{one.symbol}{one.side}{one.refused_by}", []).append((one.scan_id, one.ended_at))
    for found in spans.values():
        for (_, end), (start, _) in zip(sorted(found), sorted(found)[1:], strict=False):
            assert start >= end + 3_600_000


@pytest.mark.parametrize(("seed", "holes"), [(1, 1), (2, 2), (2, 3), (3, 4)])
def test_missing_scans_are_made_up_for_by_the_chart(seed: int, holes: int) -> None:
    """What ended, ended with the same result, at most a quarter of an hour and the holes later."""
    scans, source = market(seed), random.Random(holes)
    _, wanted = run(scans)
    known = {one.outcome_id: one for one in wanted if one.result and one.kind != "near miss"}
    gone = set()
    for _ in range(6):
        start = source.randrange(3, 300)
        gone |= set(range(start, start + source.randrange(1, 12)))
    busy = {index for index, made in enumerate(scans.values()) if any(one.signal_id for one in made)}
    holed = {at: made for index, (at, made) in enumerate(scans.items()) if index not in gone or index in busy}
    for one in run(holed)[1]:
        if not one.result or one.outcome_id not in known or one.kind == "other moment":
            continue
        full = known[one.outcome_id]
        if one.scan_id % 900_000 == 0 and not one.ambiguous:
            assert one.result == full.result
            assert one.r_gross == pytest.approx(full.r_gross)
            assert 0 <= one.ended_at - full.ended_at <= 900_000 + 300_000 * 30
        if one.missing_bars == 0:
            assert one == full


def test_a_coin_that_is_gone_is_given_up_at_its_last_close() -> None:
    """An hour after its time; until then it may come back."""
    scans = {SCAN: [decision(signal=True), decision("BBBUSDT")]}
    for index in range(1, 320):
        scans[SCAN + index * SCAN_MS] = [decision("BBBUSDT", SCAN + index * SCAN_MS)]
    _, told = run(scans)
    (end,) = [one for one in told if one.result and one.kind == "signal"]
    assert (end.result, end.exit_price, end.ended_at) == ("time", 100.0, SCAN)
    assert end.r_net == pytest.approx(-end.cost_r)
    assert {one.kind for one in told if one.result} >= {"other side", "other coin"}


def test_a_control_without_a_moment_is_dropped_a_day_later() -> None:
    """It ends without an entry, so that nothing waits for ever."""
    scans = {SCAN: [decision(signal=True)]}
    for index in range(1, 2 * 288 + 20):
        scans[SCAN + index * SCAN_MS] = [decision("BBBUSDT", SCAN + index * SCAN_MS)]
    state, told = run(scans)
    (end,) = [one for one in told if one.result and one.kind == "other moment"]
    assert end.entry == 0
    assert not state.planned
    assert not state.followed


def test_late_decisions_begin_nothing() -> None:
    """A scan that was settled without them is over."""
    late = msgspec.structs.replace(decision(refused=("volume",)), outcome="late")
    assert run({SCAN: [late]})[1] == []


def test_funding_is_reckoned_from_the_rate_that_was_shown_before() -> None:
    """Four-hourly at 0.04 % for eight hours: half of it at each of the settlements while it is held."""
    levels = TradeLevels(
        entry=100.0, stop=50.0, target=200.0, reward_to_risk=2.0, weak=False, atr=1.0, stop_reason="", target_reason=""
    )
    known = {"funding_8h": 0.0004, "funding_interval": 4.0}
    scans = {SCAN: [decision(signal=True, levels=levels, derivatives=known)]}
    for index in range(1, 300):
        scans[SCAN + index * SCAN_MS] = [decision(scan_id=SCAN + index * SCAN_MS, levels=levels, derivatives=known)]
    (end,) = [one for one in run(scans)[1] if one.result and one.kind == "signal"]
    assert end.funding_r == pytest.approx(6 * 0.0002 * 100 / 50)


def test_a_lost_state_is_made_again_of_what_was_begun() -> None:
    """The chart supplies the bars since the entry: the same ends, none twice."""
    scans = market(5, signals=4)
    _, wanted = run(scans)
    cut = SCAN + 60 * SCAN_MS
    begun: dict[str, Outcome] = {}
    for one in run({at: made for at, made in scans.items() if at <= cut})[1]:
        if one.result:
            begun.pop(one.outcome_id, None)
        else:
            begun[one.outcome_id] = one
    state = following.restore(tuple(begun.values()), SETTINGS, cut)
    told = []
    for at in sorted(scans):
        if at > cut:
            state, news = take_scan(state, at, {one.analysis.symbol: one for one in scans[at]}, settings_at)
            told += [one for one in news if one.result]
    found, known = {one.outcome_id: one for one in told}, {one.outcome_id: one for one in wanted if one.result}
    assert begun.keys() & found.keys() == begun.keys() & known.keys()
    assert begun.keys() & known.keys()
    for name in begun.keys() & known.keys():
        assert found[name].result == known[name].result
        assert found[name].r_gross == pytest.approx(known[name].r_gross, abs=0.35 if known[name].ambiguous else 1e-9)
    assert len(found) == len(told)


def test_the_other_coin_is_the_first_one_that_was_analysed() -> None:
    """One with a problem is passed over."""
    broken = msgspec.structs.replace(
        decision("BBBUSDT"), analysis=msgspec.structs.replace(decision("BBBUSDT").analysis, problem="gap")
    )
    _, told = run({SCAN: [decision(signal=True), broken, decision("CCCUSDT")]})
    (control,) = [one for one in told if one.kind == "other coin"]
    assert control.symbol == "CCCUSDT"
    assert controls.distances(control) == pytest.approx((1.0, 2.0))
