"""What follows an anomaly: its returns in the direction of the day, another moment beside it, and the line."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from services.evaluator.domain import following
from services.evaluator.domain.aftermath import aftermaths
from services.evaluator.domain.anomalies import LAST, other_moment
from services.evaluator.domain.following import FollowingState
from services.notifier.rendering.text import aftermath_line
from shared.contracts import SCAN_MS, Aftermath, AnomalyFigures, Decision, Outcome, pack
from shared.settings import RuntimeSettings
from tests.unit.evaluator.facts import SCAN, decision

HOUR = 12
SETTINGS = RuntimeSettings()
STRANGE = AnomalyFigures(volume_z=5.0, correlation=0.1, change_24h=-0.03)
CALM = AnomalyFigures(volume_z=1.0, correlation=0.1, change_24h=0.02)


def at(number: int, price: float, figures: AnomalyFigures = CALM, **changes: Any) -> Decision:
    """Return the decision *number* scans after the first, closing at *price*."""
    bar = (price, price, price, price, 1.0)
    return decision(scan_id=SCAN + number * SCAN_MS, bar=bar, anomaly=figures, **changes)


def follow(decisions: dict[int, Decision | None], last: int) -> tuple[FollowingState, list[Outcome]]:
    """Take every scan up to *last*; a coin without a decision of its own stands at 100, None: it was missing."""
    state, told = FollowingState(), list[Outcome]()
    for number in range(last + 1):
        one = decisions.get(number, at(number, 100.0))
        known = {one.analysis.symbol: one} if one is not None else {}
        state, more = following.take_scan(state, SCAN + number * SCAN_MS, known, lambda _: SETTINGS)
        told += [each for each in more if each.kind.startswith("anomaly")]
        assert following.load(following.dump(state)) == state
    return state, told


def test_returns_count_in_the_direction_of_the_day() -> None:
    """A day that fell and goes on falling is a gain; begun and ended are told, with the other moment planned."""
    moves: dict[int, Decision | None] = {0: at(0, 100.0, STRANGE), HOUR: at(HOUR, 99.0), 4 * HOUR: at(4 * HOUR, 102.0)}
    moves[24 * HOUR] = at(24 * HOUR, 90.0)
    _, told = follow(moves, 24 * HOUR)
    begun, planned, ended = told
    assert (begun.result, begun.side, begun.entry) == ("", "short", 100.0)
    assert planned == other_moment(begun)
    assert [ended.after_1h, ended.after_4h, ended.after_24h] == pytest.approx([0.01, -0.02, 0.1])
    assert (ended.result, ended.ended_at) == ("time", SCAN + LAST)


def test_its_other_moment_is_of_the_day_after_and_has_its_own_direction() -> None:
    """Not before the anomaly's own day is over; it ends a day later."""
    _, told = follow({0: at(0, 100.0, STRANGE)}, 72 * HOUR + 1)
    others = [one for one in told if one.kind == "anomaly's other moment"]
    planned, entered, ended = others
    assert SCAN + LAST < planned.scan_id <= SCAN + 2 * LAST
    assert (entered.scan_id, entered.side, entered.entry) == (planned.scan_id, "long", 100.0)
    assert (ended.after_24h, ended.ended_at) == (0.0, entered.scan_id + LAST)


def test_one_of_a_coin_within_its_cooldown() -> None:
    """A shock that goes on is one anomaly, as it is one alert."""
    strange = {number: at(number, 100.0, STRANGE) for number in range(4 * HOUR + 1)}
    _, told = follow(dict(strange), 4 * HOUR + 2)
    assert [one.scan_id for one in told if one.kind == "anomaly"] == [SCAN, SCAN + 4 * HOUR * SCAN_MS]


def test_a_missing_hour_is_made_up_for_by_the_chart() -> None:
    """The 15m bar that holds the moment tells its close."""
    opens = SCAN - SCAN_MS + np.arange(-4, 20) * 900_000.0
    closes = np.full(24, 100.0)
    closes[(opens < SCAN + HOUR * SCAN_MS) & (opens + 900_000 >= SCAN + HOUR * SCAN_MS)] = 97.0
    chart = pack(np.vstack([opens, closes, closes, closes, closes, closes]))
    absent: dict[int, Decision | None] = dict.fromkeys(range(HOUR - 2, HOUR + 5))
    state, _ = follow({0: at(0, 100.0, STRANGE), **absent, HOUR + 5: at(HOUR + 5, 100.0, chart=chart)}, HOUR + 5)
    known = next(one for one in state.anomalies.values() if one.entry > 0)
    assert known.after_1h == pytest.approx(0.03)


def test_after_a_loss_they_are_followed_on() -> None:
    """What was begun and has not ended comes back with what Postgres knows."""
    _, told = follow({0: at(0, 100.0, STRANGE)}, 1)
    state = following.restore(tuple(told), SETTINGS, SCAN + SCAN_MS)
    assert state.anomalies == {one.outcome_id: one for one in told}
    assert not state.followed
    assert not state.planned
    assert state.quiet == {"AAAUSDT": SCAN + 4 * HOUR * SCAN_MS}


def test_figures_and_line() -> None:
    """Median, the middle half, the share that went on, against other moments; too few are no line."""
    _, told = follow({0: at(0, 100.0, STRANGE)}, 24 * HOUR)
    ended = told[-1]
    values = (-0.02, 0.01, 0.02, 0.05)
    made = [
        msgspec.structs.replace(ended, outcome_id=str(number), after_24h=value, scan_id=SCAN + number * LAST)
        for number, value in enumerate(values)
    ]
    others = [msgspec.structs.replace(one, kind="anomaly's other moment", after_24h=-0.01) for one in made]
    found = next(one for one in aftermaths([*made, *others]) if one.hours == 24)
    assert (found.n, found.days, found.went_on, found.others_went_on) == (4, 4, 0.75, 0.0)
    assert (found.low, found.median, found.high) == pytest.approx(tuple(np.quantile(values, (0.25, 0.5, 0.75))))
    assert aftermaths([*made, *others], at_least=5) == ()
    line = aftermath_line(
        (
            Aftermath(hours=1, n=9, days=3, median=0.0, low=0.0, high=0.0, went_on=0.0, others_n=9, others_went_on=0.0),
            found,
        )
    )
    assert line.startswith(
        "After ones like this, 24 h on: 75 of 100 went on in the day's direction, 0 at other moments"
    )
    assert aftermath_line(()) == "After ones like this: no record yet"
