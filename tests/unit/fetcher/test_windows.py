"""Windows: what enters them, what they aggregate, and how they are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.domain.bars import (
    HIGH,
    LOW,
    OPEN_TIME,
    QUOTE_VOLUME,
    VOLUME,
    BarResult,
    aggregate,
    resample,
    sound,
)
from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.market_state import Market
from services.fetcher.domain.symbol_windows import MarkRange, SymbolWindows
from services.fetcher.domain.universe import Selection
from services.fetcher.domain.window import EARLIER
from services.fetcher.scan.warm_start import take_up
from shared.contracts import FULL_BARS, INTERVALS, SCAN_MS, Bars, Floats, Interval, MarketSnapshot

START = 1_768_176_000_000  # a UTC midnight


def bars(count: int, start: int = START, seed: int = 1) -> Floats:
    """Return *count* five-minute bars from *start* on."""
    chance = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.002, count)))
    opened = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    volume = np.random.default_rng(seed + 1).integers(1, 1_000, count).astype(np.float64)
    times = start + SCAN_MS * np.arange(count, dtype=np.float64)
    return np.array([times, opened, high, low, close, volume, volume * 100, volume / 2])


def resampled(five: Floats, interval: Interval) -> Floats:
    """Return the complete and the last bar so far of *interval*: the plain way."""
    length = INTERVALS[interval]
    buckets = five[OPEN_TIME] - five[OPEN_TIME] % length
    return np.array([aggregate(five[:, buckets == bucket], bucket) for bucket in np.unique(buckets)]).T


def loaded(count: int) -> SymbolWindows:
    """Return windows that were loaded with *count* five-minute bars and the higher ones they make."""
    five = bars(count)
    close = int(five[OPEN_TIME, -1]) + SCAN_MS
    windows = SymbolWindows("TESTUSDT")
    higher = {name: resampled(five, name) for name in INTERVALS if name != "5m"}
    closed: dict[Interval, Floats] = {
        name: matrix[:, matrix[0] + INTERVALS[name] <= close] for name, matrix in higher.items()
    }
    windows.load(closed | {"5m": five})
    return windows


@given(st.integers(60, 400), st.integers(1, 120))
def test_advancing_equals_resampling_the_whole(first: int, more: int) -> None:
    """Bars so far and closed ones are what resampling all five-minute bars gives, at every length."""
    every = bars(first + more)
    windows = loaded(first)
    for column in range(first, first + more):
        assert windows.take(every[:, column]) is BarResult.APPENDED
    scan_id = int(every[OPEN_TIME, -1]) + SCAN_MS
    cut = windows.cut(scan_id)
    for interval in INTERVALS:
        expected = every if interval == "5m" else resampled(every, interval)
        np.testing.assert_array_equal(cut[interval], expected[:, -cut[interval].shape[1] :])
        assert cut[interval].shape[1] == min(FULL_BARS, expected.shape[1])


@given(st.integers(60, 200), st.integers(1, 50))
def test_a_cut_does_not_change_when_newer_bars_arrive(first: int, more: int) -> None:
    """A scan's windows are the same before and after the next bars: nothing newer leaks in."""
    windows = loaded(first)
    scan_id = windows.last_close
    before = {name: matrix.copy() for name, matrix in windows.cut(scan_id).items()}
    for bar in bars(first + more)[:, first:].T:
        windows.take(bar)
    for interval, matrix in windows.cut(scan_id).items():
        np.testing.assert_array_equal(matrix, before[interval])


def test_a_bar_that_comes_twice_changes_nothing() -> None:
    """Overlapping sockets repeat bars: the second is a duplicate."""
    windows = loaded(100)
    assert windows.take(bars(100)[:, -1]) is BarResult.DUPLICATE
    assert len(windows.windows["5m"]) == 100


def test_an_older_bar_is_no_regression() -> None:
    """A bar from before the window is left alone, one within it that differs is a revision everywhere."""
    windows = loaded(100)
    assert windows.take(bars(1, START - SCAN_MS)[:, 0]) is BarResult.OLD
    revised = bars(100)[:, 50].copy()
    revised[HIGH] *= 1.01
    assert windows.take(revised) is BarResult.REVISED
    assert windows.revisions == 1
    hour = resampled(windows.windows["5m"].bars, "1h")
    np.testing.assert_array_equal(windows.windows["1h"].bars, hour[:, : len(windows.windows["1h"])])


def test_a_gap_is_not_bridged() -> None:
    """A bar that does not follow the newest is refused, and what is missing is named."""
    windows = loaded(100)
    assert windows.take(bars(103)[:, 102]) is BarResult.GAP
    assert windows.wanted(START + 103 * SCAN_MS)["5m"] == 3


def test_a_window_that_was_never_loaded_takes_no_single_bar() -> None:
    """One bar out of the streams would pass for a whole window; everything is wanted instead."""
    windows = SymbolWindows("TESTUSDT")
    assert windows.take(bars(1)[:, 0]) is BarResult.GAP
    assert windows.wanted(START + SCAN_MS) == dict.fromkeys(INTERVALS, FULL_BARS)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
@pytest.mark.parametrize("row", [1, 2, 3, 4])
def test_no_impossible_price_enters(value: float, row: int) -> None:
    """NaN, infinite, zero and negative prices are refused wherever they stand."""
    windows, bar = loaded(50), bars(51)[:, 50].copy()
    bar[row] = value
    assert windows.take(bar) in {BarResult.NOT_FINITE, BarResult.INCONSISTENT}
    assert len(windows.windows["5m"]) == 50


def test_a_wick_is_quarantined_unless_the_mark_price_went_along() -> None:
    """A low of a thousandth is distrusted; the same low with the mark price there is a crash."""
    crash = bars(51)[:, 50].copy()
    crash[LOW] /= 1_000
    windows = loaded(50)
    assert windows.take(crash) is BarResult.QUARANTINED
    scan_id = windows.last_close
    assert "quarantined" in windows.problems(scan_id, windows.cut(scan_id))
    assert loaded(50).take(crash, MarkRange(float(crash[LOW]), 100.0)) is BarResult.APPENDED
    windows.take(bars(51)[:, 50])  # the exchange thinks better of it
    assert "quarantined" not in windows.problems(scan_id, windows.cut(scan_id))


def test_a_wick_in_the_bars_that_were_loaded_is_distrusted_until_it_is_old() -> None:
    """A restart does not make a wick trustworthy; a hundred bars later its part in the averages is gone."""
    five = bars(200)
    five[LOW, 80] /= 1_000
    windows = SymbolWindows("TESTUSDT")
    windows.load({"5m": five[:, :180]})
    assert "quarantined" in windows.problems(windows.last_close, windows.cut(windows.last_close))
    windows.load({"5m": five})
    assert "quarantined" not in windows.problems(windows.last_close, windows.cut(windows.last_close))


def test_what_is_wrong_with_a_window_is_said() -> None:
    """Short, stale and zero-volume windows name their problem."""
    windows = loaded(100)
    scan_id = windows.last_close
    assert windows.problems(scan_id, windows.cut(scan_id)) == ("insufficient history",)
    assert "stale" in windows.problems(scan_id + SCAN_MS, windows.cut(scan_id + SCAN_MS))
    silent = bars(101)[:, 100].copy()
    silent[VOLUME:] = 0
    windows.take(silent)
    assert "zero volume" in windows.problems(scan_id + SCAN_MS, windows.cut(scan_id + SCAN_MS))


def test_a_loaded_matrix_is_sorted_once_each_and_possible() -> None:
    """Out-of-order, repeated, impossible and off-grid columns do not get into a window."""
    five = bars(5)
    bad = five[:, [3, 1, 2, 2, 0, 4]].copy()
    bad[HIGH, 5] = np.nan
    np.testing.assert_array_equal(sound(bad, "5m"), five[:, :4])


def test_the_exchange_s_own_higher_bars_win() -> None:
    """The exchange's own higher bar replaces an aggregated one that differs, and is counted."""
    windows = loaded(200)
    own = windows.windows["1h"].bars[:, -3:].copy()
    assert windows.adopt("1h", own) == 0
    own[HIGH, 1] *= 1.5
    assert windows.adopt("1h", own) == 1
    assert windows.windows["1h"].bars[HIGH, -2] == own[HIGH, 1]


@pytest.mark.parametrize("target", ["15m", "1h", "4h"])
def test_only_whole_bars_are_made_of_shorter_ones(target: Interval) -> None:
    """From the 99 bars of a check: what they fill, as resampling gives it, and nothing of the edges."""
    fifteen = resampled(bars(400, START + 7 * SCAN_MS), "15m")[:, 1:-1]
    made = resample(fifteen, "15m", target)
    expected = resampled(bars(400, START + 7 * SCAN_MS), target)
    first, end = fifteen[OPEN_TIME, 0], fifteen[OPEN_TIME, -1] + INTERVALS["15m"]
    expected = expected[:, (expected[OPEN_TIME] >= first) & (expected[OPEN_TIME] + INTERVALS[target] <= end)]
    np.testing.assert_allclose(made, expected, rtol=1e-12)


@pytest.mark.parametrize("interval", ["15m", "1h", "4h"])
def test_one_check_of_a_day_of_15m_bars_finds_a_difference_in_every_interval(interval: Interval) -> None:
    """A held bar that is not what the exchange's own 15m bars make up is counted and replaced."""
    windows = loaded(400)
    own = windows.windows["15m"].bars[:, -99:].copy()
    assert windows.compare("15m", own) == 0
    true = windows.windows[interval].bars.copy()
    spoiled = true[:, -1].copy()
    spoiled[HIGH] *= 2
    windows.windows[interval].replace(len(windows.windows[interval]) - 1, spoiled)
    assert windows.compare("15m", own) == 1
    np.testing.assert_allclose(windows.windows[interval].bars, true)


def test_higher_bars_from_a_snapshot_have_no_turnover_and_are_taken() -> None:
    """A restart loads what the newest snapshot has; five-minute bars without their turnover are no bars."""
    five = bars(48)
    hourly = resampled(five, "1h")
    for matrix in (five, hourly):
        matrix[QUOTE_VOLUME] = np.nan
    windows = SymbolWindows("TESTUSDT")
    windows.load({"5m": five, "1h": hourly})
    assert (len(windows.windows["5m"]), len(windows.windows["1h"])) == (0, 4)


def snapshot_of(windows: SymbolWindows, scan_id: int) -> MarketSnapshot:
    """Return what *windows* are published as."""
    cut: dict[str, Bars] = {name: Bars.of(name, matrix) for name, matrix in windows.cut(scan_id).items()}
    return MarketSnapshot(
        symbol=windows.symbol, scan_id=scan_id, settings_version=1, tick_size=0.01, bars=cut, btc_close=b""
    )


@pytest.mark.parametrize(
    ("count", "listed", "fetched"),
    [
        (FULL_BARS + 500, 0, {"15m", "1h", "4h"}),  # an older version's windows: shorter than the coin's history
        (FULL_BARS + 500, START - SCAN_MS, set()),  # all there is of a young coin
        (FULL_BARS * 48, 0, set()),
    ],
)
def test_a_restart_fetches_windows_that_could_be_longer(count: int, listed: int, fetched: set[Interval]) -> None:
    """Windows come back from the bus as they were, but for those that hold less than the exchange has."""
    windows = loaded(count)
    kept = snapshot_of(windows, windows.last_close)
    market = Market()
    market.learn({kept.symbol: Instrument(kept.symbol, 0.01, listed, True)})
    market.choose(Selection((kept.symbol,)))
    take_up(market, kept)
    wanted = market.coins[kept.symbol].windows.wanted(kept.scan_id)
    assert {name for name, lacking in wanted.items() if lacking == FULL_BARS} == fetched
    assert set(wanted) == fetched


def test_a_scan_of_half_an_hour_ago_is_cut_as_it_was() -> None:
    """A scan that has to be sent again holds the bars that it held then, a full window of each interval."""
    known, later = FULL_BARS + 300, EARLIER
    every = bars(known + later)
    windows = loaded(known)
    scan = windows.last_close
    then = windows.cut(scan)
    for bar in every[:, known:].T:
        assert windows.take(bar) is BarResult.APPENDED
    now = windows.cut(scan)
    assert then["5m"].shape[1] == FULL_BARS
    for interval in INTERVALS:
        np.testing.assert_array_equal(now[interval], then[interval])
