"""What is fresh of the futures market, and what its figures are."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from services.analyzer.domain.futures.figures import FuturesFigures, read_futures
from shared.contracts import Depth, Derivatives, Points, pack
from tests.unit.analyzer import bars

HOUR = 3_600_000
MINUTE = 60_000
FIVE = bars.window()
SCAN = int(FIVE.open_time[-1]) + 5 * MINUTE


def points(values: list[float], *, newest: int = SCAN - 5 * MINUTE, step: int = 5 * MINUTE) -> Points:
    """Return *values* at stamps of *step* that end at *newest*."""
    return Points.of(newest - step * np.arange(len(values) - 1, -1, -1.0), values)


def read(derivatives: Derivatives, depth: Depth | None = None) -> FuturesFigures:
    return read_futures(derivatives, depth, FIVE, SCAN)


@pytest.mark.parametrize(("age", "fresh"), [(15 * MINUTE, True), (15 * MINUTE + 1, False)])
def test_ratios_and_open_interest_are_fresh_for_15_minutes(age: int, fresh: bool) -> None:
    """A point of exactly 15 minutes counts, an older one is as good as none."""
    series = points([float(value) for value in range(100, 140)], newest=SCAN - age)
    figures = read(Derivatives(open_interest=series, global_ratio=series, top_ratio=series))
    known = (figures.open_interest_change, figures.global_z, figures.top_z)
    assert [value is not None for value in known] == [fresh] * 3


@pytest.mark.parametrize(
    ("hours", "age", "fresh"), [(8, 8 * HOUR, True), (4, 4 * HOUR, True), (4, 4 * HOUR + 1, False)]
)
def test_funding_is_fresh_for_its_interval(hours: int, age: int, fresh: bool) -> None:
    """A rate is as old as its interval at most, whatever that is."""
    known = Derivatives(funding_rate=0.0001, funding_at=SCAN - age, funding_interval_hours=hours)
    assert (read(known).funding_8h is not None) == fresh


def test_funding_without_an_interval_is_unknown() -> None:
    """The interval is never assumed."""
    assert read(Derivatives(funding_rate=0.0001, funding_at=SCAN)).funding_8h is None


@pytest.mark.parametrize(("hours", "equivalent"), [(8, 0.0001), (4, 0.0002), (1, 0.0008)])
def test_funding_is_told_per_eight_hours(hours: int, equivalent: float) -> None:
    """0.01 % an hour is 0.08 % per eight hours."""
    settled = points([0.0001] * 4, newest=SCAN - HOUR, step=hours * HOUR)
    figures = read(
        Derivatives(funding_rate=0.0001, funding_at=SCAN, funding_interval_hours=hours, funding_settled=settled)
    )
    assert figures.funding_8h == pytest.approx(equivalent)
    assert figures.funding_trend == pytest.approx(0.0)
    assert not figures.funding_rising
    assert not figures.funding_falling


def test_settlements_count_by_the_time_they_covered() -> None:
    """Where the exchange has just gone from 8 hours to 4, half the rate is the same funding, not a falling one."""
    settled = points([0.0001] * 4, newest=SCAN - HOUR, step=8 * HOUR)
    now = Derivatives(funding_rate=0.00005, funding_at=SCAN, funding_interval_hours=4, funding_settled=settled)
    figures = read(now)
    assert figures.funding_8h == pytest.approx(0.0001)
    assert not figures.funding_falling
    assert read(msgspec.structs.replace(now, funding_rate=0.00006)).funding_rising


def test_open_interest_is_compared_over_its_last_five_points() -> None:
    """Change and slope run from the first to the last of five points, the price over the same time."""
    figures = read(Derivatives(open_interest=points([1.0, 100.0, 101.0, 102.0, 103.0, 104.0])))
    assert figures.open_interest == 104.0
    assert figures.open_interest_change == pytest.approx(0.04)
    assert figures.open_interest_slope == pytest.approx(0.01)
    assert figures.price_change == pytest.approx(FIVE.close[-2] / FIVE.close[-6] - 1.0)


def test_a_ratio_is_scored_against_its_own_points() -> None:
    """The z-score is the newest value's against all that are known, with its population deviation."""
    values = [1.0, 3.0] * 20
    assert read(Derivatives(global_ratio=points(values))).global_z == pytest.approx(1.0)
    assert read(Derivatives(global_ratio=points([2.0] * 40))).global_z is None  # nothing to stand out from


def test_the_book_leans_by_its_first_20_levels() -> None:
    """(bids − asks) / (bids + asks) in coins; the 21st level does not count."""
    bids, asks = pack([100.0, 3.0] * 20 + [99.0, 1000.0]), pack([101.0, 1.0] * 20)
    assert read(Derivatives(), Depth(at=SCAN - 5_000, bids=bids, asks=asks)).imbalance == pytest.approx(0.5)
