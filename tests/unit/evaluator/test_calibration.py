"""The plain forecast, and when it is bettered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluator.domain.calibration import brier, calibrate, fit, recalibrate, reliability, skill
from shared.odds import target_first


def happenings(count: int, days: int, *, intercept: float, slope: float) -> tuple[np.ndarray, ...]:
    source = np.random.default_rng(2)
    forecast = source.uniform(0.05, 0.8, count)
    truth = recalibrate(forecast, intercept, slope)
    return forecast, (source.random(count) < truth).astype(float), np.sort(source.integers(0, days, count))


def test_a_wrong_forecast_is_recalibrated() -> None:
    """Where the forecast is half as sharp as it should be, the logistic line is found, and used."""
    found = calibrate(*happenings(6_000, 90, intercept=-0.7, slope=0.5))
    assert found.version.startswith("logistic:")
    assert (found.intercept, found.slope) == pytest.approx((-0.7, 0.5), abs=0.12)
    assert found.brier < found.plain_brier


@pytest.mark.parametrize(
    ("count", "days", "slope"), [(6_000, 90, 1.0), (900, 90, 0.3), (6_000, 50, 0.3)], ids=["right", "few", "short"]
)
def test_otherwise_the_plain_forecast_stands(count: int, days: int, slope: float) -> None:
    """A right forecast, fewer than 1,000 outcomes, or less than 60 days: no recalibration."""
    found = calibrate(*happenings(count, days, intercept=0.0, slope=slope))
    assert (found.version, found.intercept, found.slope) == ("plain", 0.0, 1.0)


def test_fit_agrees_with_scikit_learn() -> None:
    """The same greatest likelihood."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    forecast, happened, _ = happenings(3_000, 90, intercept=-0.4, slope=0.8)
    logits = np.log(forecast / (1 - forecast))[:, None]
    oracle = linear_model.LogisticRegression(C=np.inf, tol=1e-8).fit(logits, happened)
    assert fit(forecast, happened) == pytest.approx((oracle.intercept_[0], oracle.coef_[0, 0]), abs=1e-3)


def test_brier_agrees_with_scikit_learn() -> None:
    """The same score; skill compares it with the base rate's."""
    metrics = pytest.importorskip("sklearn.metrics")
    forecast, happened, _ = happenings(500, 90, intercept=0, slope=1)
    assert brier(forecast, happened) == pytest.approx(metrics.brier_score_loss(happened, forecast))
    assert skill(np.full(500, happened.mean()), happened) == pytest.approx(0)
    assert sum(one.n for one in reliability(forecast, happened)) == 500


@given(st.floats(0.1, 5), st.floats(0.1, 20), st.floats(0.2, 3))
def test_the_plain_forecast_is_the_distance_ratio_less_what_is_out_of_reach(
    stop: float, target: float, atr: float
) -> None:
    """Given for ever it is stop ÷ (stop + target); less time never makes it likelier."""
    forever = target_first(stop, target, atr, 1e6)
    day, hour = (target_first(stop, target, atr, hours) for hours in (24, 1))
    assert forever == pytest.approx(stop / (stop + target), abs=1e-6)
    assert 0 <= hour <= day + 1e-9
    assert day <= forever + 1e-9


def test_the_plain_forecast_agrees_with_simulated_walks() -> None:
    """Walks of many small steps, with the deviation that the ATR stands for."""
    source = np.random.default_rng(7)
    steps, walks = 24 * 120, 2_000
    hourly = 1.0 / np.sqrt(8 / np.pi)
    paths = source.normal(0, hourly / np.sqrt(120), (walks, steps)).astype(np.float32).cumsum(axis=1)
    up, down = paths >= 3.0, paths <= -1.5
    first_up = np.where(up.any(axis=1), up.argmax(axis=1), steps)
    first_down = np.where(down.any(axis=1), down.argmax(axis=1), steps)
    assert target_first(1.5, 3.0, 1.0, 24) == pytest.approx((first_up < first_down).mean(), abs=0.035)
