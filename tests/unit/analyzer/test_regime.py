"""The regime's thresholds and its hysteresis, on series made for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from services.analyzer.domain.chart import regime
from services.analyzer.domain.chart.swings import Swings
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import Series
from tests.unit.analyzer import bars

COUNT = 300
NONE = np.array([], dtype=np.intp)
NO_SWINGS = Swings(NONE, NONE, np.array([]), np.array([]))
STEPS = np.arange(COUNT, dtype=np.float64)


def shaped(middle: npt.NDArray[np.floating[Any]], *, wick: Series | float = 0.0) -> Window:
    """Return bars of height 0.4 around *middle* whose bodies leave *wick* of each side."""
    rows = bars.matrix(COUNT, interval="1h")
    rows[1], rows[4] = middle - 0.2, middle + 0.2
    rows[2], rows[3] = middle + 0.2 + wick, middle - 0.2 - wick
    return Window("1h", rows)


WAVE = shaped(100 + 3 * np.sin(STEPS / 2.5))  #: touches both sides of its range again and again
RAMP = shaped(100 + 0.5 * STEPS)  #: touches neither twice


def judged(
    window: Window,
    adx: Series | float,
    *,
    ribbon: Series | float = 1.0,
    ratio: float = 1.0,
    swings: Swings = NO_SWINGS,
    closed: int = COUNT,
) -> regime.RegimeFigures:
    """Return the regime where the ribbon's order is *ribbon*: 1 upwards, −1 downwards, 0 none."""
    order = np.full(COUNT, 0.0) + ribbon
    series = {
        "adx": np.full(COUNT, 0.0) + adx,
        "ema_20": order,
        "ema_50": np.zeros(COUNT),
        "ema_100": -order,
        "atr_ratio": np.full(COUNT, ratio),
    }
    return regime.judge(window, series, swings, closed=closed, volatile_ratio=1.5)


def after(before: float, now: float, *, since: int = 250) -> Series:
    """Return *before* until bar *since*, then *now*."""
    return np.where(since > STEPS, before, now)


@pytest.mark.parametrize(("adx", "found"), [(25.0, "RANGING"), (25.01, "TRENDING")])
def test_a_trend_needs_an_adx_above_25(adx: float, found: str) -> None:
    """Above, not at; before any trend the walk stands at RANGING."""
    assert judged(RAMP, adx).regime == found


def test_a_trend_needs_a_direction() -> None:
    """Without order in the ribbon the swings may give it; without either there is no trend."""
    assert judged(RAMP, 40.0, ribbon=0.0).regime == "RANGING"
    rising = Swings(np.array([50, 100]), np.array([60, 110]), np.array([1.0, 2.0]), np.array([0.5, 0.7]))
    found = judged(RAMP, 40.0, ribbon=0.0, swings=rising)
    assert (found.regime, found.direction, found.swing) == ("TRENDING", 1.0, 1.0)
    mixed = Swings(np.array([50, 100]), np.array([60, 110]), np.array([1.0, 2.0]), np.array([0.5, 0.3]))
    assert judged(RAMP, 40.0, ribbon=0.0, swings=mixed).regime == "RANGING"


@pytest.mark.parametrize(("adx", "found"), [(22.0, "TRENDING"), (20.0, "TRENDING"), (19.99, "RANGING")])
def test_between_20_and_25_the_regime_before_stands(adx: float, found: str) -> None:
    """A trend ends below 20, not before, and only where the range has been touched twice on each side."""
    assert judged(WAVE, after(30.0, adx)).regime == found
    assert judged(RAMP, after(30.0, adx)).regime == "TRENDING"


def test_a_range_stands_until_a_trend_has_a_direction() -> None:
    """An ADX that rises without direction does not end it; the direction does."""
    assert judged(WAVE, after(15.0, 30.0), ribbon=0.0).regime == "RANGING"
    assert judged(WAVE, after(15.0, 30.0), ribbon=-1.0).regime == "TRENDING"


def test_one_touch_of_a_side_is_not_enough() -> None:
    """A range that was touched twice above and once below is none yet."""
    vee = shaped(np.where(STEPS < 280, 103.0, 103.0 - 6.0 * np.sin((STEPS - 280) / 20 * np.pi)))
    assert judged(vee, after(30.0, 15.0, since=281)).regime == "TRENDING"
    twice = shaped(np.where(STEPS < 260, 103.0, 103.0 - 6.0 * np.abs(np.sin((STEPS - 260) / 20 * np.pi))))
    assert judged(twice, after(30.0, 15.0, since=281)).regime == "RANGING"


def test_volatile_wins_over_both() -> None:
    """An ATR ratio above 1.5, or wicks in the top decile of the window's, whatever else is."""
    assert judged(RAMP, 40.0, ratio=1.5).regime == "TRENDING"
    assert judged(RAMP, 40.0, ratio=1.51).regime == "VOLATILE"
    long_wicks = shaped(100 + 0.5 * STEPS, wick=after(0.05, 1.0, since=290))
    assert judged(long_wicks, 40.0).regime == "VOLATILE"
    common = shaped(100 + 0.5 * STEPS, wick=after(0.05, 1.0, since=200))
    assert judged(common, 40.0).regime == "TRENDING"


def test_only_closed_bars_are_walked() -> None:
    """What the bar so far does sets no regime."""
    assert judged(RAMP, after(15.0, 40.0, since=COUNT - 1), closed=COUNT - 1).regime == "RANGING"
    assert judged(RAMP, after(15.0, 40.0, since=COUNT - 1)).regime == "TRENDING"
