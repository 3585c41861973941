"""Confidence, what to expect, and how comparable setups went."""

from __future__ import annotations

import msgspec
import pytest

from services.analyzer.handler import analyse
from shared.contracts import Comparable, Forecast, RecordChanged, Side
from shared.odds import target_first
from shared.settings import RuntimeSettings
from tests.unit.analyzer import bars

SETTINGS = RuntimeSettings()
SNAPSHOT = bars.snapshot(seed=3, drift=3e-4)


def past(intercept: float = 0.0) -> RecordChanged:
    """Return a record with one set of setups for each side, of every reward."""
    rates: dict[Side, float] = {"long": 0.31, "short": 0.29}
    sets = tuple(
        Comparable(side=side, low=0.0, high=100.0, n=412, hit_rate=rate, break_even=0.38, days=90)
        for side, rate in rates.items()
    )
    line = Forecast(version="logistic:2026-01-01", intercept=intercept)
    return RecordChanged(version=7, since=0, comparable=sets, forecast=line)


def test_confidence_is_the_probability_of_distances_and_time() -> None:
    """Without a record it is the plain forecast, and the trade is expected to lose its costs."""
    found = analyse(SNAPSHOT, SETTINGS)
    levels = found.levels
    assert levels is not None
    stop, target = abs(levels.entry - levels.stop), abs(levels.target - levels.entry)
    assert found.confidence == pytest.approx(100 * target_first(stop, target, levels.atr, 24.0))
    assert (found.forecast, found.record_version, found.comparable) == ("plain", 0, None)
    assert found.expected_r == pytest.approx(-levels.cost_r)


def test_out_of_time_is_not_reached() -> None:
    """An hour is too short for what a day may bring."""
    hour = SETTINGS.model_copy(update={"outcomes": SETTINGS.outcomes.model_copy(update={"hours": 1.0})})
    short, whole = analyse(SNAPSHOT, hour).confidence, analyse(SNAPSHOT, SETTINGS).confidence
    assert short is not None
    assert whole is not None
    assert short < whole / 2


def test_a_recalibrated_forecast_says_its_version_and_changes_what_to_expect() -> None:
    """Better odds than the plain ones are worth more than minus the costs, worse ones less."""
    plain = analyse(SNAPSHOT, SETTINGS)
    better, worse = (analyse(SNAPSHOT, SETTINGS, past(by)) for by in (0.5, -0.5))
    assert plain.expected_r is not None
    assert better.confidence > plain.confidence > worse.confidence  # type: ignore[operator]
    assert better.expected_r > plain.expected_r > worse.expected_r  # type: ignore[operator]
    assert better.forecast == "logistic:2026-01-01"


def test_the_record_of_its_own_side_stands_with_it() -> None:
    """With the version that it was taken from, so that an alert can be explained later."""
    found = analyse(SNAPSHOT, SETTINGS, past())
    assert found.comparable is not None
    assert (found.record_version, found.comparable.side) == (7, found.side)


def test_no_levels_no_confidence() -> None:
    """Where nothing is planned nothing is promised."""
    refused = analyse(msgspec.structs.replace(SNAPSHOT, problems=("gap",)), SETTINGS, past())
    assert (refused.confidence, refused.expected_r, refused.forecast) == (None, None, "")
