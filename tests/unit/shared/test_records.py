"""Comparable setups, the odds, and which version of the record counts."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import NO_RECORD, Comparable, RecordChanged
from shared.odds import BANDS, band_of, break_even, comparable_to, expected_net, line_of, recalibrated, reward_of
from shared.runtime.settings_cache import SettingsCache

HOUR = 3_600_000


def record(version: int) -> RecordChanged:
    return RecordChanged(version=version, since=version + HOUR)


@given(st.floats(0, 50))
def test_every_reward_lies_in_one_band(reward: float) -> None:
    """At least the one, below the other."""
    low, high = band_of(reward)
    assert low <= reward < high
    assert (low, high) in pairwise(BANDS)


def test_line_and_lookup() -> None:
    """The line names rate, need and number; another side or reward has no record yet."""
    one = Comparable(side="long", low=1.5, high=2.0, n=412, hit_rate=0.31, break_even=0.38, days=90)
    known = RecordChanged(version=1, since=0, comparable=(one,))
    assert comparable_to(known, "long", 1.5) == one
    assert comparable_to(known, "long", 2.0) is comparable_to(known, "short", 1.6) is None
    assert line_of(one) == "like this: 31 of 100 reach the target first, 38 are needed; 412 in 90 days"
    assert line_of(None) == "no record yet"


def test_nothing_risked_has_no_reward() -> None:
    assert math.isnan(reward_of(100.0, 100.0, 110.0))
    assert reward_of(100.0, 102.0, 96.0) == 2.0


def test_plain_stays_plain_and_costs_are_lost() -> None:
    """A line of slope one through zero changes nothing; a fair price earns nothing before costs."""
    assert recalibrated(0.3, 0.0, 1.0) == 0.3
    assert recalibrated(0.3, 0.4, 1.0) > 0.3
    assert expected_net(0.3, 0.3, 2.0, 0.14) == -0.14
    assert expected_net(1 / 3, 0.4, 2.0, 0.0) == pytest.approx(0.4 * 2.0 - 0.6)  # no time limit: the rest is the stop
    assert break_even(0.14, 2.0) == pytest.approx(0.38)


def test_a_record_counts_from_its_first_scan() -> None:
    """The fetcher names the newest that counts; who is named one gets just that, or the empty one."""
    cache = SettingsCache()
    assert cache.record_for(0) == NO_RECORD
    assert cache.take(record(10 * HOUR))
    assert not cache.take(record(10 * HOUR))
    cache.recall(record(5 * HOUR))
    assert cache.record_for(11 * HOUR - 1).version == 5 * HOUR
    assert cache.record_for(11 * HOUR).version == 10 * HOUR
    assert cache.record_at(5 * HOUR) == record(5 * HOUR)
    assert cache.record_at(7) == NO_RECORD
