"""What a narrow row keeps of a decision."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from services.analyzer.handler import analyse
from services.api.store import inserts
from services.api.store.ladder import narrow
from services.gatekeeper.domain import gates
from shared.config.environment import MARKET
from shared.contracts import SCAN_MS, Analysis, Decision, Verdict
from shared.gate import Appearance
from shared.gates import GATES
from shared.settings import RuntimeSettings, Thresholds
from tests.integration.api import facts as made_up
from tests.unit.analyzer.bars import snapshot
from tests.unit.gatekeeper import facts

LIMITS = (
    Thresholds(),
    Thresholds(score=50, fmqs=30, volume_ratio=0.5, groups=2, timeframes=1, persistence=0, squeeze_intervals=()),
    Thresholds(score=71, fmqs=61, volume_ratio=1.7, groups=6, timeframes=3, persistence=3, squeeze_intervals=("4h",)),
)


def decided(analysis: Analysis, limits: Thresholds, earlier: Appearance | None = None) -> Decision:
    verdicts = gates.judge(analysis, limits, earlier)
    return Decision(
        decision_id=f"{MARKET}:{analysis.symbol}:{analysis.scan_id}",
        analysis=analysis,
        verdicts=verdicts,
        appeared=gates.appeared(verdicts),
        passed=all(verdict.passed for verdict in verdicts),
        outcome="rejected",
        settings_version=analysis.settings_version,
    )


def stored(decision: Decision) -> Decision:
    """Return *decision* as its narrow row gives it back, with figures as PostgreSQL writes out its reals."""
    shared = narrow.judgement(decision)
    row = {"market": MARKET, **inserts.decision(decision, shared["judgement_id"])}
    reals = ("score", "long_score", "short_score", "fmqs", "confidence", "agreement", "reward_to_risk")
    row |= {name: shortest(row[name]) for name in reals}
    row["figures"] = [shortest(figure) for figure in row["figures"]]
    row |= {name: msgspec.json.decode(shared[name]) for name in ("verdicts", "common")}
    assert set(narrow.COLUMNS) <= set(row)
    return narrow.of_row(row)


def shortest(value: float | None) -> float | None:
    return None if value is None else float(str(np.float32(value)))


def real(seed: int = 1) -> Analysis:
    return analyse(snapshot(seed=seed), RuntimeSettings())


def varied(noise: np.random.Generator) -> Analysis:
    """Return an analysis about which the gates disagree."""
    side: Any = "long" if noise.random() < 0.5 else "short"
    one = facts.analysis("AAAUSDT", facts.SCAN, side, close=round(float(noise.uniform(1, 90_000)), 2))
    assert one.volume is not None
    assert one.fmqs is not None
    agree = noise.integers(0, 7)
    return msgspec.structs.replace(
        one,
        score=round(float(noise.uniform(45, 80)), 2),
        timeframes=tuple(
            facts.timeframe(name, side, score=float(noise.uniform(40, 90)), squeeze=bool(noise.random() < 0.3))
            for name in facts.INTERVALS
        ),
        groups=tuple(msgspec.structs.replace(group, agrees=bool(n < agree)) for n, group in enumerate(one.groups)),
        fmqs=msgspec.structs.replace(one.fmqs, value=float(noise.uniform(25, 70)) if noise.random() < 0.9 else None),
        volume=msgspec.structs.replace(
            one.volume,
            ratio_3=float(noise.uniform(0, 3)) if noise.random() < 0.9 else None,
            taker_delta=float(noise.normal(0, 1e9)) if noise.random() < 0.9 else None,
            obv_slope=float(noise.normal(0, 1e-9)),
            zero_volume=bool(noise.random() < 0.1),
        ),
        unavailable=("taker flow",) if noise.random() < 0.2 else (),
    )


def close_to(one: Verdict, other: Verdict) -> bool:
    parts = [[verdict.gate, verdict.passed, verdict.threshold, verdict.reason] for verdict in (one, other)]
    return parts[0] == parts[1] and near(one.value, other.value) and near(one.distance, other.distance)


def near(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isclose(one, other, abs_tol=1e-4))


@pytest.mark.parametrize("number", range(len(LIMITS)))
def test_verdicts_values_and_levels_come_back(number: int) -> None:
    """Every gate's verdict with its reason, distance and threshold; levels to the last digit."""
    noise = np.random.default_rng(number)
    reasons = set()
    for _ in range(300):
        whole = decided(varied(noise), LIMITS[number])
        narrowed = stored(whole)
        assert all(map(close_to, narrowed.verdicts, whole.verdicts))
        assert len(narrowed.verdicts) == len(whole.verdicts)
        reasons |= {verdict.reason for verdict in whole.verdicts}
        one, other = narrowed.analysis.levels, whole.analysis.levels
        assert one is not None
        assert other is not None
        assert (one.entry, one.stop, one.target, one.weak) == (other.entry, other.stop, other.target, other.weak)
        assert narrowed.analysis.bar == pytest.approx(whole.analysis.bar, rel=1e-6)
    assert len(reasons) > 10


def test_every_gate_judges_it_as_it_judges_the_whole() -> None:
    """Other thresholds, other streaks: no gate asks for what a narrow row lacks."""
    noise = np.random.default_rng(9)
    passed = dict.fromkeys(GATES, 0)
    for _ in range(300):
        whole = decided(varied(noise), LIMITS[0])
        narrowed = stored(whole)
        earlier = Appearance(side="long", scan_id=facts.SCAN - SCAN_MS, length=int(noise.integers(0, 4)))
        for limits in LIMITS:
            for gate in GATES.values():
                one = gate.verdict(narrowed.analysis, limits, earlier)
                assert close_to(one, gate.verdict(whole.analysis, limits, earlier))
                passed[gate.name] += one.passed
    assert min(passed.values()) > 0


def test_what_the_analyzer_makes_is_kept() -> None:
    """Scores of every interval, groups' votes, the bar, costs: what a plain refusal shows after some days."""
    whole = decided(real(), Thresholds())
    narrowed = stored(whole)
    for frame, held in zip(narrowed.analysis.timeframes, whole.analysis.timeframes, strict=True):
        assert (frame.interval, frame.regime, frame.squeeze) == (held.interval, held.regime, held.squeeze)
        assert (frame.long_score, frame.short_score) == pytest.approx((held.long_score, held.short_score))
        assert held.values
        assert not frame.values
    for group, of_before in zip(narrowed.analysis.groups, whole.analysis.groups, strict=True):
        assert (group.name, group.agrees) == (of_before.name, of_before.agrees)
        assert group.vote == pytest.approx(of_before.vote)
    for name in ("tick_size", "expected_r", "btc_excess", "fmqs_other", "estimated", "strength", "regime", "side"):
        assert getattr(narrowed.analysis, name) == pytest.approx(getattr(whole.analysis, name)), name


def test_one_that_was_not_analysed_comes_back() -> None:
    """It has no figures at all."""
    narrowed = stored(decided(Analysis(symbol="AAAUSDT", scan_id=1, settings_version=1, problem="gap"), Thresholds()))
    assert narrowed.analysis == Analysis(symbol="AAAUSDT", scan_id=1, settings_version=1, problem="gap")
    assert {verdict.reason for verdict in narrowed.verdicts} == {"not analysed"}


def test_a_figure_beyond_a_real_is_no_obstacle() -> None:
    """PostgreSQL refuses what overflows or underflows: such a figure becomes infinite, or zero."""
    one = made_up.analysis(bar=(1e60, 1e60, 1e60, 1e60, 1e-60))
    assert narrow.columns(made_up.decision(analysis=one))["figures"][7:12] == [np.inf] * 4 + [0.0]


def test_the_same_judgement_has_the_same_id_and_another_has_another() -> None:
    """Ids follow from the content, so that two recorders agree."""
    one, other = made_up.decision(), made_up.decision(passed=True)
    assert narrow.judgement(one) == narrow.judgement(made_up.decision("BBBUSDT", score=72.0))
    assert narrow.judgement(one)["judgement_id"] != narrow.judgement(other)["judgement_id"]
