"""Each gate at its threshold, just below it, and without data."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.gatekeeper.domain import gates
from shared.contracts import Analysis, Fmqs, GroupVote, VolumeFigures
from shared.gate import STREAK, Appearance, Gate, UndeclaredReasonError, make
from shared.gates import GATES, shown, title
from shared.registry import CatalogueError, discover
from shared.settings import Thresholds
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, timeframe

LIMITS = Thresholds()
NAMES = ["score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence"]


def verdict(gate: str, made: Analysis, earlier: Appearance | None = None, limits: Thresholds = LIMITS) -> Any:
    """Return one gate's verdict."""
    return {v.gate: v for v in gates.judge(made, limits, earlier)}[gate]


def with_groups(count: int) -> Analysis:
    """Return an analysis with which *count* groups agree."""
    return analysis(groups=tuple(GroupVote(name=str(n), votes={}, vote=0.3, agrees=n < count) for n in range(6)))


def with_flow(**figures: Any) -> Analysis:
    """Return an analysis with other volume figures."""
    usual: dict[str, Any] = {"ratio_3": 2.0, "taker_delta": 5.0, "obv_slope": 0.3}
    return analysis(volume=VolumeFigures(**{**usual, **figures}))


def without_taker_flow(**figures: Any) -> Analysis:
    """Return an analysis of an exchange that publishes no taker flow."""
    return msgspec.structs.replace(with_flow(taker_delta=None, **figures), unavailable=("taker flow",))


CASES: list[tuple[str, Analysis, bool, str]] = [
    ("score", analysis(score=65.0), True, "passed"),
    ("score", analysis(score=64.99), False, "score too low"),
    ("score", analysis(score=math.nan), False, "no data"),
    ("fmqs", analysis(fmqs=Fmqs(value=50.0, components={})), True, "passed"),
    ("fmqs", analysis(fmqs=Fmqs(value=49.0, components={})), False, "fmqs too low"),
    (
        "fmqs",
        analysis(fmqs=Fmqs(value=49.0, components={}, capped_by="funding contradicts")),
        False,
        "funding contradicts",
    ),
    ("fmqs", analysis(fmqs=Fmqs(value=None, components={})), False, "no derivatives data"),
    ("fmqs", analysis(fmqs=None), False, "no derivatives data"),
    ("squeeze", analysis(), True, "passed"),
    (
        "squeeze",
        analysis(timeframes=(timeframe("15m", "long", squeeze=True), timeframe("1h", "long"))),
        False,
        "in a squeeze",
    ),
    ("squeeze", analysis(timeframes=(timeframe("15m", "long"),)), False, "no timeframe data"),
    ("volume", with_flow(ratio_3=1.2), True, "passed"),
    ("volume", with_flow(ratio_3=1.19), False, "volume too low"),
    ("volume", with_flow(ratio_3=math.nan), False, "no volume data"),
    ("volume", with_flow(zero_volume=True), False, "zero volume"),
    ("volume", with_flow(taker_delta=-0.1), False, "taker flow against"),
    ("volume", with_flow(taker_delta=None), False, "no taker data"),
    ("volume", with_flow(obv_slope=0.0), False, "obv against"),
    ("volume", analysis(volume=None), False, "no volume data"),
    ("volume", without_taker_flow(), True, "passed on volume and obv: this exchange has no taker flow"),
    ("volume", without_taker_flow(obv_slope=-0.1), False, "obv against: this exchange has no taker flow"),
    ("volume", without_taker_flow(ratio_3=1.0), False, "volume too low"),
    ("groups", with_groups(5), True, "passed"),
    ("groups", with_groups(4), False, "too few groups"),
    ("timeframes", analysis(), True, "passed"),
    (
        "timeframes",
        analysis(
            timeframes=(
                timeframe("5m", "long", score=90.0),
                timeframe("15m", "long", score=65.0),
                timeframe("1h", "long", score=64.9),
            )
        ),
        False,
        "too few timeframes",
    ),
    ("persistence", analysis(), False, "first appearance"),
]


@pytest.mark.parametrize(("gate", "made", "passes", "reason"), CASES)
def test_each_gate_at_its_threshold_and_just_off_it(gate: str, made: Analysis, passes: bool, reason: str) -> None:
    """A gate passes at its threshold, refuses just below, and says why in its bounded words."""
    found = verdict(gate, made)
    assert (found.passed, found.reason) == (passes, reason)
    assert (found.distance is not None and found.distance >= 0) == passes


@pytest.mark.parametrize(
    ("earlier", "value", "reason"),
    [
        (Appearance(side="long", scan_id=SCAN - STEP, length=1), 1, "passed"),
        (Appearance(side="long", scan_id=SCAN - STEP, length=3), 3, "passed"),
        (Appearance(side="short", scan_id=SCAN - STEP, length=3), 0, "other side before"),
        (Appearance(side="long", scan_id=SCAN - 2 * STEP, length=3), 0, "first appearance"),
        (Appearance(side="long", scan_id=SCAN - STEP + 1, length=3), 0, "first appearance"),
        (Appearance(side="long", scan_id=SCAN, length=3), 0, "first appearance"),
    ],
)
def test_persistence_counts_scans_exactly_five_minutes_apart(earlier: Appearance, value: int, reason: str) -> None:
    """Only a row of the same side that ends exactly five minutes before counts."""
    found = verdict("persistence", analysis(), earlier)
    assert (found.value, found.reason) == (value, reason)


def test_all_seven_are_judged_for_every_analysis() -> None:
    """No gate is skipped, neither after a refusal nor without an analysis."""
    bad = analysis(score=1.0, fmqs=None, timeframes=(), groups=(), volume=None)
    refused = gates.judge(msgspec.structs.replace(bad, problem="gap"), LIMITS, None)
    assert [v.gate for v in gates.judge(bad, LIMITS, None)] == NAMES
    assert [(v.gate, v.passed, v.reason) for v in refused] == [(name, False, "not analysed") for name in NAMES]


@given(some.floats(allow_nan=True, allow_infinity=True), some.floats(0, 100))
def test_no_value_that_is_not_a_number_passes(value: float, threshold: float) -> None:
    """Any score passes exactly when it is finite and reaches the threshold."""
    found = verdict("score", analysis(score=value), limits=Thresholds(score=threshold))
    assert found.passed == (math.isfinite(value) and value >= threshold)


@pytest.mark.parametrize("name", NAMES[:6])
def test_each_gate_alone_stops_an_appearance(name: str) -> None:
    """Every one of gates 1 to 6 can refuse what all others let through."""
    bad: dict[str, Analysis] = {
        "score": analysis(score=10.0),
        "fmqs": analysis(fmqs=None),
        "squeeze": analysis(timeframes=tuple(timeframe(i, "long", squeeze=True) for i in ("15m", "1h", "4h"))),
        "volume": with_flow(ratio_3=0.1),
        "groups": with_groups(0),
        "timeframes": analysis(timeframes=tuple(timeframe(i, "long", score=1.0) for i in ("15m", "1h", "4h"))),
    }
    verdicts = gates.judge(bad[name], LIMITS, None)
    assert [v.gate for v in verdicts if not v.passed] == [name, "persistence"]
    assert not gates.appeared(verdicts)
    assert gates.appeared(gates.judge(analysis(), LIMITS, None))


def test_a_reason_that_is_not_declared_is_refused() -> None:
    """Reasons are labels: a gate that makes one up is stopped, and names itself."""
    chatty = replace(GATES["score"], judge=lambda *_: make("score", 1.0, 2.0, -1.0, "not today"))
    with pytest.raises(UndeclaredReasonError, match="gate score does not declare the reason 'not today'"):
        chatty.verdict(analysis(), LIMITS, None)


def test_the_gates_are_numbered_from_one_without_a_hole() -> None:
    """The order of the gates is the order of their numbers, not of their files' names."""
    assert list(GATES) == NAMES
    assert [gate.number for gate in GATES.values()] == list(range(1, len(GATES) + 1))


def test_two_gates_may_not_have_one_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that two files claim is an error that names both."""
    folder = tmp_path / "two_gates"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name in ("one", "other"):
        (folder / f"{name}.py").write_text(
            "from dataclasses import replace\nfrom shared.gates import score\n"
            f"ENTRY = replace(score.ENTRY, name={name!r})\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CatalogueError, match="'one' and 'other' both have number 1"):
        discover("two_gates", Gate, number=lambda gate: gate.number)


def test_a_card_shows_figures_or_words() -> None:
    """A squeeze shows as a word, everything else as value against threshold, also for a removed gate."""
    squeezed = verdict(
        "squeeze", analysis(timeframes=(timeframe("15m", "long", squeeze=True), timeframe("1h", "long")))
    )
    assert shown(squeezed) == ("squeezed", "")
    assert shown(verdict("squeeze", analysis())) == ("free", "")
    assert shown(verdict("volume", with_flow(ratio_3=1.84))) == ("1.84", "1.20")
    assert shown(make("gone", None, 65.0, None, "no data")) == ("–", "65")
    assert (title("squeeze"), title("gone")) == ("No squeeze", "gone")


@pytest.mark.parametrize("made", [made for _, made, _, _ in CASES])
@pytest.mark.parametrize("name", NAMES)
def test_what_a_gate_passes_it_may_pass(name: str, made: Analysis) -> None:
    """Asked about many analyses at once, no gate leaves out one that it passes, at its threshold neither."""
    gate = GATES[name]
    assert gate.may_pass is not None
    limits = [LIMITS, Thresholds(score=80, fmqs=60, volume_ratio=2, groups=5, timeframes=3, persistence=3)]
    for asked, length in product(limits, (0, 1, 3)):
        earlier = Appearance(side="long", scan_id=SCAN - STEP, length=length)
        figures = {name: np.array([value]) for name, value in gate.figures(made).items()}
        may = gate.may_pass({**figures, STREAK: np.array([float(length)])}, asked)
        assert may.shape == (1,)
        assert may[0] or not gate.verdict(made, asked, earlier).passed
