"""FMQS, levels, regime, swings, divergence, patterns, the catalogue: each by small cases."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analyzer.domain import pattern
from services.analyzer.domain.chart import levels, regime
from services.analyzer.domain.chart.divergence import rsi_divergence
from services.analyzer.domain.chart.swings import REACH, Swings, find_swings, structure, structure_at
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.futures import fmqs
from services.analyzer.domain.futures.figures import FuturesFigures
from services.analyzer.domain.indicator import compute_all
from services.analyzer.domain.stages.charts import Chart
from shared.contracts import Fmqs, Side
from shared.registry import CatalogueError, discover
from tests.unit.analyzer import bars

WEIGHTS: dict[fmqs.FmqsPart, float] = {"funding": 0.25, "open_interest": 0.30, "skew": 0.20, "taker": 0.25}
NEUTRAL = FuturesFigures(
    funding_8h=0.0001,
    funding_interval=8.0,
    open_interest_change=0.0,
    price_change=0.0,
    global_z=0.0,
    taker_ratio=1.0,
)


def judged(figures: FuturesFigures, side: Side = "long") -> Fmqs:
    return fmqs.judge(figures, side, WEIGHTS, funding_contradicts=0.0005, falls=0.01)


@pytest.mark.parametrize("side", ["long", "short"])
def test_fmqs_of_a_neutral_market_is_50(side: Side) -> None:
    """Base funding, still open interest, an average crowd and balanced takers favour neither side."""
    assert judged(NEUTRAL, side).value == pytest.approx(50.0)


@pytest.mark.parametrize(("rate", "score"), [(0.0001, 50), (0.0003, 25), (0.0005, 0), (0.001, 0), (-0.0003, 100)])
def test_fmqs_funding_is_centred_on_the_base_rate(rate: float, score: float) -> None:
    """clip(50 − 50 × (f − 0.01 %) / 0.04 %) for a long, mirrored for a short."""
    figures = replace(NEUTRAL, funding_8h=rate)
    assert fmqs.funding(figures, 1.0) == pytest.approx(score)
    assert fmqs.funding(figures, -1.0) == pytest.approx(100 - score)


def test_fmqs_is_capped_when_funding_contradicts() -> None:
    """Dear and rising funding holds a long at 49 and says so; falling funding does not."""
    dear = replace(NEUTRAL, funding_8h=0.0006, funding_rising=True, taker_ratio=1.5, global_z=-3.0, price_change=0.01)
    dear = replace(dear, open_interest_change=0.02)
    assert (judged(dear).value, judged(dear).capped_by) == (49.0, "funding contradicts")
    eased = judged(replace(dear, funding_rising=False))
    assert eased.capped_by == ""
    assert eased.value is not None
    assert eased.value > 49.0


def test_fmqs_is_capped_when_open_interest_falls_on_the_way() -> None:
    """Price going the signal's way while positions close is no new money."""
    figures = replace(NEUTRAL, open_interest_change=-0.02, price_change=-0.01, taker_ratio=0.5, funding_8h=0.0004)
    assert judged(figures, "short").capped_by == "open interest falls"
    assert judged(figures, "long").capped_by == ""


@pytest.mark.parametrize(("rate", "rising", "capped"), [(0.0005, True, True), (0.00049, True, False)])
def test_funding_contradicts_from_five_hundredths_of_a_percent_on(rate: float, rising: bool, capped: bool) -> None:
    """+0.05 % per 8 hours and rising is too dear for a long, −0.05 % and falling for a short."""
    long = replace(NEUTRAL, funding_8h=rate, funding_rising=rising)
    short = replace(NEUTRAL, funding_8h=-rate, funding_falling=rising)
    for figures, side in ((long, "long"), (short, "short")):
        assert (judged(figures, side).capped_by == "funding contradicts") == capped  # type: ignore[arg-type]
    assert judged(short, "long").capped_by == judged(long, "short").capped_by == ""


@pytest.mark.parametrize(("change", "capped"), [(-0.01, True), (-0.0099, False)])
def test_open_interest_falls_from_one_percent_on(change: float, capped: bool) -> None:
    """A fall of 1 % over the last five points while price goes the side's way."""
    figures = replace(NEUTRAL, open_interest_change=change, price_change=0.01)
    assert (judged(figures).capped_by == "open interest falls") == capped


def test_fmqs_needs_two_fresh_components() -> None:
    """One component alone is no judgement."""
    assert judged(FuturesFigures(taker_ratio=1.2)).value is None
    assert judged(FuturesFigures(taker_ratio=1.2, global_z=0.0)).value is not None


@given(
    price=st.floats(0.01, 1e5),
    tick=st.sampled_from([0.00001, 0.0001, 0.01, 0.1, 1.0]),
    atr_share=st.floats(0.002, 0.05),
    seed=st.integers(0, 50),
    side=st.sampled_from(["long", "short"]),
)
def test_levels_keep_their_order_and_never_round_to_advantage(
    price: float, tick: float, atr_share: float, seed: int, side: Side
) -> None:
    """On the tick grid stop < entry < target for a long (mirrored for a short), no better than before rounding."""
    window = bars.window(seed=seed, interval="1h")
    scaled = Window("1h", np.stack([window.open_time, *(np.zeros((7, len(window))))]))
    factor = price / float(window.close[-1])
    for name in ("open", "high", "low", "close"):
        setattr(scaled, name, getattr(window, name) * factor)
    atr = atr_share * price
    drawn = levels.draw([(scaled, find_swings(scaled))], atr, int(window.open_time[-1]))
    exact = levels.plan(drawn, side, price, atr, 0.0, costs=0.001, weak_ratio=1.5)
    plan = levels.plan(drawn, side, price, atr, tick, costs=0.001, weak_ratio=1.5)
    if plan is None or exact is None:
        return
    sign = 1.0 if side == "long" else -1.0
    assert plan.stop * sign < plan.entry * sign < plan.target * sign
    assert plan.reward_to_risk <= exact.reward_to_risk + 1e-6
    assert 0.8 * atr * 0.999999 <= abs(exact.entry - exact.stop) <= 2.5 * atr * 1.000001
    assert abs(exact.target - exact.entry) >= atr * 0.999999
    for value in (plan.entry, plan.stop, plan.target):
        assert value / tick == pytest.approx(round(value / tick), rel=1e-14, abs=1e-6)


def test_ratio_is_net_of_costs() -> None:
    """Two for one before costs is less after 0.1 % for the round trip."""
    assert levels.reward_to_risk(100.0, 99.0, 102.0, 0.001) == pytest.approx(1.9 / 1.1)


def test_swings_are_known_only_when_confirmed() -> None:
    """A swing point never appears or moves because of bars later than its confirmation."""
    window = bars.window(400)
    whole = find_swings(window)
    known = structure_at(whole, np.arange(400))
    assert set(known) == {-1.0, 0.0, 1.0}
    for end in range(200, 260):
        part = find_swings(window.part(0, end))
        np.testing.assert_array_equal(part.high_at, whole.high_at[whole.high_at + REACH < end])
        np.testing.assert_array_equal(part.low_at, whole.low_at[whole.low_at + REACH < end])
        assert structure(part) == known[end - 1]


def test_divergence_needs_a_new_low_with_a_higher_rsi() -> None:
    """A lower low with a higher RSI within 35 bars is bullish; further apart it is nothing."""
    rsi = np.full(100, 50.0)
    rsi[[60, 80]] = (25.0, 35.0)
    none = np.array([], dtype=np.intp)
    swings = Swings(none, np.array([60, 80]), np.array([]), np.array([10.0, 9.0]))
    assert rsi_divergence(swings, rsi, last=85) == 1.0
    assert rsi_divergence(swings, rsi, last=96) == 0.0


def regime_of(window: Window) -> regime.RegimeFigures:
    return regime.judge(window, compute_all(window), find_swings(window), closed=len(window), volatile_ratio=1.5)


def test_regimes_are_what_they_are_called() -> None:
    """A drift is TRENDING, a wave between two prices RANGING, a burst of range VOLATILE."""
    rows = bars.matrix(499)
    body = np.array([-1.0, 1.0, 0.0, 0.5])[:, None]

    def walk(middle: object, spread: object) -> Window:
        made = rows.copy()
        made[1:5] = np.asarray(middle) + body * np.asarray(spread)
        made[1], made[4] = made[3] + 0.02, made[2] - 0.02
        made[2], made[3] = made[1:5].max(axis=0), made[1:5].min(axis=0)
        return Window("1h", made)

    steps = np.arange(499)
    assert regime_of(walk(100 + 0.5 * steps, 0.3 + 0 * steps)).regime == "TRENDING"
    assert regime_of(walk(100 + 3 * np.sin(steps / 2.5), 0.3 + 0 * steps)).regime == "RANGING"
    assert regime_of(walk(100 + 0.5 * steps, np.where(steps > 490, 4.0, 0.3))).regime == "VOLATILE"


def test_a_catalogue_refuses_doubles_and_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files of one name, and a file that is no entry, stop the program at start."""
    monkeypatch.syspath_prepend(tmp_path)
    line = "from services.analyzer.domain.pattern import Pattern\n"
    line += "ENTRY = Pattern(name='x', find=None, definition='', source='')\n"
    for package, files in {"doubled": {"a": line, "b": line}, "strange": {"a": "ENTRY = 3\n"}}.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        for name, text in files.items():
            (tmp_path / package / f"{name}.py").write_text(text)
        with pytest.raises(CatalogueError):
            discover(package, pattern.Pattern)
        sys.modules.pop(package, None)


def test_chart_never_divides_by_a_range_of_zero() -> None:
    """A market without any range has a tiny ATR instead of none."""
    flat = bars.flat()
    series = compute_all(flat)
    assert Chart(flat, series, find_swings(flat), len(flat), regime_of(flat)).atr > 0
