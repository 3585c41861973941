"""Rules for every entry of the indicator catalogue."""

from __future__ import annotations

import numpy as np
import pytest

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import Indicator, catalogue, compute_all
from services.analyzer.domain.indicators.atr import average_true_range
from services.analyzer.domain.numeric import talib
from services.analyzer.domain.vote_context import VoteContext
from shared.contracts import Regime
from tests.unit.analyzer import bars

TREND = {"ema_20", "ema_50", "ema_100", "ema_200", "supertrend", "supertrend_direction", "psar", "tenkan", "kijun"}
TREND |= {"senkou_a", "senkou_b", "adx", "plus_di", "minus_di"}
MOMENTUM = {"rsi", "macd", "macd_signal", "macd_histogram", "stoch_rsi_k", "stoch_rsi_d", "williams_r", "cci"}
MOMENTUM |= {"squeeze_on", "squeeze_momentum"}
BANDS = {"bollinger_upper", "bollinger_middle", "bollinger_lower", "keltner_upper", "keltner_lower", "atr", "atr_ratio"}
VOLUME = {"vwap", "obv", "cumulative_delta", "mfi", "volume_ratio"}
NAMES = TREND | MOMENTUM | BANDS | VOLUME
ENTRIES = list(catalogue().values())
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def test_series_have_the_names_that_others_rely_on() -> None:
    """The catalogue has every series that records, API and export promise; others may be added."""
    assert set(compute_all(bars.window())) >= NAMES


@every_entry
def test_series_are_aligned_and_finite_once_warm(entry: Indicator) -> None:
    """A series is as long as its input, NaN for exactly its warm-up, finite after."""
    window = bars.window()
    for name, warm_up, series in zip(entry.series, entry.warm_up, entry.compute(window), strict=True):
        assert len(series) == len(window), name
        assert np.isnan(series[:warm_up]).all(), name
        assert np.isfinite(series[warm_up:]).all(), name


@every_entry
def test_future_bars_change_nothing(entry: Indicator) -> None:
    """Appending bars leaves every earlier value as it was, to the last bit."""
    whole = bars.matrix(499)
    for cut in (350, 423):
        before = entry.compute(Window("5m", whole[:, :cut]))
        after = entry.compute(Window("5m", whole))
        for name, short, long in zip(entry.series, before, after, strict=True):
            np.testing.assert_array_equal(short, long[:cut], err_msg=name)


@every_entry
@pytest.mark.parametrize("count", [1, 5, 30, 150])
def test_few_bars_warm_what_they_can(entry: Indicator, count: int) -> None:
    """However short a window is, its series are as long, and hold what the longer window's beginning holds."""
    whole = bars.matrix()
    few, many = entry.compute(Window("5m", whole[:, :count])), entry.compute(Window("5m", whole))
    for name, short, long in zip(entry.series, few, many, strict=True):
        np.testing.assert_array_equal(short, long[:count], err_msg=name)


@every_entry
def test_300_bars_say_what_1000_say(entry: Indicator) -> None:
    """The newest value hardly depends on how much history was loaded, by the entry's stated tolerance."""
    long = bars.matrix(1000, scale=0.003)
    short = long[:, -300:]
    if entry.anchored:  # both must hold the day's beginning
        assert (short[0] % 86_400_000 == 0).any()
    for name, from_few, from_many in zip(
        entry.series, entry.compute(Window("5m", short)), entry.compute(Window("5m", long)), strict=True
    ):
        few = np.diff(from_few[-9:]) if entry.drifts else from_few
        many = np.diff(from_many[-9:]) if entry.drifts else from_many
        unit = float(long[4, -1]) if entry.scale == "price" else max(1.0, abs(float(many[-1])))
        assert abs(float(few[-1]) - float(many[-1])) <= entry.tolerance * unit, name


@every_entry
@pytest.mark.parametrize("factor", [2.0**-20, 2.0**17])
def test_scale_of_prices_does_not_matter(entry: Indicator, factor: float) -> None:
    """Prices in other units scale price series and leave the rest alone."""
    rows = bars.matrix()
    scaled = rows.copy()
    scaled[1:5] *= factor  # powers of two, so that equal prices stay equal
    expected, found = entry.compute(Window("5m", rows)), entry.compute(Window("5m", scaled))
    for name, one, other in zip(entry.series, expected, found, strict=True):
        in_price = entry.scale == "price" and name not in ("supertrend_direction", "squeeze_on", "atr_ratio")
        np.testing.assert_allclose(
            other,
            one * (factor if in_price else 1.0),
            rtol=1e-6,
            atol=1e-7 * (factor * 100 if in_price else 1.0),
            err_msg=name,
        )


@every_entry
def test_scale_of_volume_does_not_matter(entry: Indicator) -> None:
    """Volume in other units scales volume series and leaves the rest alone."""
    rows = bars.matrix()
    scaled = rows.copy()
    scaled[5:] *= 2.0**-20
    expected, found = entry.compute(Window("5m", rows)), entry.compute(Window("5m", scaled))
    for name, one, other in zip(entry.series, expected, found, strict=True):
        factor = 2.0**-20 if entry.scale == "volume" else 1.0
        np.testing.assert_allclose(other, one * factor, rtol=1e-6, atol=1e-9, err_msg=name)


@every_entry
def test_a_market_that_does_not_move_gives_finite_values(entry: Indicator) -> None:
    """Constant prices are no reason to divide by zero."""
    for name, warm_up, series in zip(entry.series, entry.warm_up, entry.compute(bars.flat()), strict=True):
        assert np.isfinite(series[warm_up:]).all(), name


@every_entry
def test_no_volume_gives_finite_values(entry: Indicator) -> None:
    """An outage's bars without trades are no reason to divide by zero."""
    rows = bars.matrix()
    rows[5:, 100:160] = 0.0
    rows[1:5, 100:160] = rows[4, 99]
    rows[1, 160] = rows[4, 99]
    rows[2, 160], rows[3, 160] = max(rows[1:5, 160]), min(rows[1:5, 160])
    for quiet in (rows, np.concatenate((rows[:5], np.zeros((3, rows.shape[1]))))):
        for name, warm_up, series in zip(entry.series, entry.warm_up, entry.compute(Window("5m", quiet)), strict=True):
            assert np.isfinite(series[warm_up:]).all(), name


@every_entry
def test_one_huge_wick_stays_where_it_is(entry: Indicator) -> None:
    """A wick to a hundred times the price changes nothing before it and leaves everything finite."""
    rows = bars.matrix()
    torn = rows.copy()
    torn[2, 250] = 100.0 * rows[4, 250]
    for name, warm_up, whole, hurt in zip(
        entry.series, entry.warm_up, entry.compute(Window("5m", rows)), entry.compute(Window("5m", torn)), strict=True
    ):
        np.testing.assert_array_equal(whole[:250], hurt[:250], err_msg=name)
        assert np.isfinite(hurt[warm_up:]).all(), name


@every_entry
@pytest.mark.parametrize("regime", ["TRENDING", "RANGING", "VOLATILE"])
def test_votes_stay_within_one(entry: Indicator, regime: Regime) -> None:
    """A vote is between −1 and 1 in any market."""
    if entry.vote is None:
        pytest.skip("does not vote: it measures size, not direction")
    for window in (*(bars.window(seed=seed) for seed in range(8)), bars.flat(volume=0.0)):
        atr = max(float(average_true_range(window, 14)[-1]), 1e-9 * float(window.close[-1]))
        vote = entry.vote(VoteContext(window, compute_all(window), regime, atr))
        assert -1.0 <= vote <= 1.0


@pytest.mark.parametrize("seed", range(5))
def test_a_market_that_falls_silent_leaves_no_rounding_behind(seed: int) -> None:
    """Once every moving bar has left the window, indicators read as in a market that never moved or traded."""
    rows = bars.matrix(seed=seed)
    rows[1:5, 250:], rows[5:, 250:] = 87.3, 0.0
    series = compute_all(Window("5m", rows))
    still = {"mfi": 50.0, "stoch_rsi_k": 50.0, "williams_r": -50.0, "squeeze_on": 0.0, "volume_ratio": 0.0}
    for name, value in still.items():
        np.testing.assert_allclose(series[name][300:], value, atol=1e-9, err_msg=name)
    rows[5, 400] = 10.0
    assert compute_all(Window("5m", rows))["volume_ratio"][400] == 0.0  # nothing to compare it with


def test_a_missing_midnight_bar_does_not_carry_the_day_over() -> None:
    """Sums start anew at the first bar of a UTC day, whichever that is."""
    rows = np.delete(bars.matrix(), [288, 289], axis=1)
    window = Window("5m", rows)
    series = compute_all(window)
    assert series["vwap"][288] == pytest.approx(window.typical[288])
    assert series["cumulative_delta"][288] == pytest.approx(2.0 * window.taker[288] - window.volume[288])


def test_ta_lib_agrees_where_its_definition_is_the_same() -> None:
    """Where TradingView and TA-Lib define the same thing, the two agree to 1e-6."""
    window = bars.window(1000)
    series = compute_all(window)
    bar = (window.high, window.low, window.close)
    macd = talib.MACD(window.close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(window.close, 20, 2.0, 2.0, 0)
    pairs = {
        "rsi": talib.RSI(window.close, 14),
        "williams_r": talib.WILLR(*bar, 14),
        "mfi": talib.MFI(*bar, window.volume, 14),
        "atr": talib.ATR(*bar, 14),
        "stoch_rsi_k": talib.STOCHRSI(window.close, 14, 14, 3, 0)[1],
        "macd": macd[0],
        "macd_signal": macd[1],
        "bollinger_upper": upper,
        "bollinger_lower": lower,
    }
    for name, theirs in pairs.items():
        np.testing.assert_allclose(series[name][400:], theirs[400:], rtol=1e-6, err_msg=name)


def test_rsi_without_losses_is_100() -> None:
    """A window that only rises reads 100, one that only falls reads 0."""
    rows = bars.matrix(300)
    rows[1:5] = np.linspace(100, 200, 300)
    assert compute_all(Window("5m", rows))["rsi"][-1] == 100.0
    rows[1:5] = np.linspace(200, 100, 300)
    assert compute_all(Window("5m", rows))["rsi"][-1] == pytest.approx(0.0, abs=1e-9)


def naive_supertrend(window: Window) -> tuple[list[float], list[float]]:
    """Return the line and its direction by the definition, bar after bar."""
    atr = average_true_range(window, 10)
    lines: list[float] = []
    directions: list[float] = []
    upper = lower = 0.0
    direction = -1
    for at in range(9, len(window)):
        middle = (window.high[at] + window.low[at]) / 2
        top, bottom = middle + 3 * atr[at], middle - 3 * atr[at]
        if at > 9:
            before = window.close[at - 1]
            lower_now = bottom if bottom > lower or before < lower else lower
            upper_now = top if top < upper or before > upper else upper
            was_down = direction < 0
            if was_down and window.close[at] > upper_now:
                direction = 1
            elif not was_down and window.close[at] < lower_now:
                direction = -1
            upper, lower = upper_now, lower_now
        else:
            upper, lower = top, bottom
        lines.append(float(lower if direction > 0 else upper))
        directions.append(float(direction))
    return lines, directions


@pytest.mark.parametrize("seed", range(12))
def test_supertrend_walks_like_its_definition(seed: int) -> None:
    """The walk from restart to restart gives what a walk from bar to bar gives."""
    window = bars.window(seed=seed)
    line, direction = naive_supertrend(window)
    np.testing.assert_allclose(compute_all(window)["supertrend"][9:], line, rtol=1e-12)
    np.testing.assert_array_equal(compute_all(window)["supertrend_direction"][9:], direction)


@pytest.mark.parametrize("seed", range(40))
def test_supertrend_walks_like_its_definition_through_flash_crashes(seed: int) -> None:
    """A wick of many ranges and a close beyond a band move the bands over each other; the line turns all the same."""
    rows, random = bars.matrix(seed=seed, scale=0.001), np.random.default_rng(seed)
    for at in random.choice(np.arange(9, 499), 25, replace=False):
        up, reach, move = random.random() < 0.5, random.uniform(0, 0.1), random.uniform(0, 0.01)
        rows[4, at] *= 1 + move if up else 1 - move
        rows[2, at] = max(rows[1:5, at]) * (1 + reach * up)
        rows[3, at] = min(rows[1:5, at]) * (1 - reach * (not up))
    window = Window("5m", rows)
    line, direction = naive_supertrend(window)
    np.testing.assert_allclose(compute_all(window)["supertrend"][9:], line, rtol=1e-12)
    np.testing.assert_array_equal(compute_all(window)["supertrend_direction"][9:], direction)
