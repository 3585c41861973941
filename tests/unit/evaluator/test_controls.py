"""What signals are compared with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluator.domain import controls
from services.evaluator.domain.subjects import of_decision
from shared.contracts import SCAN_MS
from shared.settings import OutcomeSettings
from tests.unit.evaluator.facts import SCAN, decision, trade


@given(st.sampled_from(["long", "short"]), st.floats(0.1, 1e5), st.floats(1e-3, 10))
def test_controls_have_the_same_distances_in_atr(side: str, price: float, atr: float) -> None:
    """For any price and ATR of the coin."""
    signal = trade(side)  # type: ignore[arg-type]
    planned = controls.planned(signal)
    for made in (
        controls.other_side(signal),
        controls.at(signal, "other coin", "BBBUSDT", SCAN, price, atr),
        controls.at(planned, "other moment", "AAAUSDT", planned.scan_id, price, atr),
    ):
        assert controls.distances(made) == pytest.approx(controls.distances(signal), rel=1e-6)
        way = 1 if made.side == "long" else -1
        assert way * (made.target - made.entry) > 0 > way * (made.stop - made.entry)
        assert made.subject_id == signal.outcome_id
    assert controls.other_side(signal).side != signal.side


def test_the_moment_is_within_the_next_day_and_always_the_same() -> None:
    """Seeded by the signal's id: another signal has another moment."""
    moments = {controls.other_moment(trade(scan_id=SCAN + n * SCAN_MS)) - SCAN - n * SCAN_MS for n in range(200)}
    assert min(moments) >= SCAN_MS
    assert max(moments) <= 288 * SCAN_MS
    assert len(moments) > 80
    assert controls.other_moment(trade()) == controls.other_moment(trade())


def test_the_other_coin_is_never_the_same_and_does_not_depend_on_who_else_is_there() -> None:
    """The order of two coins stays the same whichever others are in the scan."""
    names = [f"C{number}USDT" for number in range(30)]
    order = controls.coins(trade(), [*names, "AAAUSDT"])
    assert sorted(order) == sorted(names)
    assert [name for name in order if name in names[:10]] == controls.coins(trade(), names[:10])


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (decision(signal=True), "signal"),
        (decision(refused=("volume",)), "near miss"),
        (decision(refused=("volume", "score")), None),
        (decision(refused=("volume",), levels=None), None),
    ],
)
def test_what_is_followed(made: object, kind: str | None) -> None:
    """Signals, and what one gate alone refused; not without levels."""
    found = of_decision(made, OutcomeSettings())  # type: ignore[arg-type]
    assert (found.kind if found else None) == kind
    if found is not None:
        assert found.refused_by == ("volume" if kind == "near miss" else "")
        assert found.result == ""
        assert 0 < found.forecast < 1 / 3
