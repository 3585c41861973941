"""How much history a window holds, and how far an analysis looks back in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from services.analyzer.domain import analysis
from services.analyzer.domain.chart.window import LOOK_BACK_DAYS, Window
from services.analyzer.domain.indicator import catalogue, compute_all, compute_recent
from services.analyzer.domain.stages.charts import draw_charts
from services.analyzer.domain.stages.series import compute_series
from services.analyzer.domain.stages.windows import Request, open_windows
from shared.contracts import DAY_MS, FULL_BARS, INTERVALS, LEAST_BARS, Bars, Interval, MarketSnapshot
from shared.settings import AnalysisSettings
from tests.unit.analyzer import bars

WITHIN = 1e-4  #: of the price: 0.01 %
SUMS = {name for entry in catalogue().values() if entry.drifts for name in entry.series}
IN_PRICE = {name for entry in catalogue().values() if entry.scale == "price" for name in entry.series}
YEAR = "exchanges/venues_1h_ohlcv_5coins_2025-03_2026-03.parquet"
every_interval = pytest.mark.parametrize("interval", list(INTERVALS))


def recorded(folder: Path, interval: Interval) -> bars.Floats:
    """Return recorded bars of *interval*, shape (8, n): Ethereum's, of a year for 4h."""
    frame = pd.read_parquet(folder / (YEAR if interval == "4h" else "market/um_5m/ETHUSDT.parquet"))
    if interval == "4h":
        frame = frame[(frame["venue"] == "binance") & (frame["coin"] == "ETH")].sort_values("open_time")
    frame = frame.assign(bar=frame["open_time"] // INTERVALS[interval])
    made = frame.groupby("bar").agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
    opened, high, low, close, volume = made.to_numpy(np.float64).T
    return np.stack(
        [made.index.to_numpy(np.float64) * INTERVALS[interval], opened, high, low, close, volume, volume, volume / 2]
    )


def farthest(rows: bars.Floats, interval: Interval, length: int) -> dict[str, float]:
    """Return how far each series' newest value from *length* bars lies from the warm one, of the price or of 100."""
    warm, found = compute_all(Window(interval, rows)), dict[str, float]()
    for end in np.linspace(1_400, rows.shape[1], 12, dtype=int):
        [series] = compute_recent([Window(interval, rows[:, end - length : end])])
        for name, values in series.items():
            unit = rows[4, end - 1] if name in IN_PRICE else 100.0
            off = abs(float(values[-1] - warm[name][end - 1])) / unit
            found[name] = max(found.get(name, 0.0), off)
    return {name: off for name, off in found.items() if name not in SUMS}


@every_interval
def test_a_full_window_says_what_all_bars_say(shared_data: Path, interval: Interval) -> None:
    """Over recorded bars every newest value is within 0.01 % of the price of the warm one; half a window is not."""
    rows = recorded(shared_data, interval)
    off = farthest(rows, interval, FULL_BARS)
    assert max(off.values()) <= WITHIN, max(off, key=off.__getitem__)
    assert farthest(rows, interval, FULL_BARS // 2)["ema_200"] > WITHIN


@every_interval
@pytest.mark.parametrize("seed", range(4))
def test_recent_bars_give_the_newest_values(interval: Interval, seed: int) -> None:
    """What is computed over the recent bars alone ends like what is computed over the whole window."""
    window = bars.window(FULL_BARS, seed=seed, interval=interval)
    [recent], whole = compute_recent([window]), compute_all(window)
    count = LOOK_BACK_DAYS[interval] * DAY_MS // INTERVALS[interval]
    for name, values in recent.items():
        assert len(values) == len(window.recent) == count, name
        few, many = (np.diff(one[-9:]) if name in SUMS else one for one in (values, whole[name]))
        unit = max(1.0, abs(float(many[-1])))
        assert abs(float(few[-1]) - float(many[-1])) <= 1e-9 * unit, name


def snapshot(four_hours: int) -> MarketSnapshot:
    """Return a snapshot with full windows, but for 4h, which ends with *four_hours* of them."""
    made = bars.snapshot()
    windows = {}
    for interval, held in made.bars.items():
        more = bars.matrix(four_hours if interval == "4h" else FULL_BARS, interval=held.interval, seed=3)
        more[0] += held.matrix[0, -1] - more[0, -1]
        windows[interval] = Bars.of(held.interval, more)
    return msgspec.structs.replace(made, bars=windows)


def test_charts_look_back_the_same_days_however_much_is_held() -> None:
    """Swings, regimes and levels of a full window are those of its recent bars alone."""
    whole = snapshot(FULL_BARS)
    short = msgspec.structs.replace(
        whole, bars={name: Bars.of(held.interval, held.matrix[:, -600:]) for name, held in whole.bars.items()}
    )
    full, part = (
        draw_charts(compute_series(open_windows(Request(one, AnalysisSettings(), None)))) for one in (whole, short)
    )
    for interval in INTERVALS:
        one, other = full.by_interval[interval], part.by_interval[interval]
        np.testing.assert_array_equal(one.window.open_time, other.window.open_time)
        np.testing.assert_array_equal(one.swings.highs, other.swings.highs)
        assert one.regime.wick_limit == other.regime.wick_limit
    np.testing.assert_allclose(full.levels.prices, part.levels.prices, rtol=1e-9)


@pytest.mark.parametrize("held", [FULL_BARS, FULL_BARS - 1, LEAST_BARS])
def test_a_coin_without_a_full_window_is_young(held: int) -> None:
    """The analysis names the intervals that hold less than a full window; it is an analysis all the same."""
    found = analysis.analyse(snapshot(held), AnalysisSettings(), None)
    assert found.problem == ""
    assert found.young == (() if held == FULL_BARS else ("4h",))


def test_fewer_bars_than_the_least_are_not_analysed() -> None:
    """A young coin is analysed from the least number of bars on."""
    assert analysis.analyse(snapshot(LEAST_BARS - 1), AnalysisSettings(), None).problem == "insufficient history"
