"""Each series against its definition, walked bar after bar without any library, from the first bar on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression, pstdev

import numpy as np
import pytest

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import compute_all
from tests.unit.analyzer import bars

NAN = math.nan
Values = Sequence[float]


def rolling(values: Values, length: int, of: Callable[[Values], float]) -> list[float]:
    """Return *of* the last *length* values at each bar, NaN where one of them is."""
    windows = [values[max(0, at + 1 - length) : at + 1] for at in range(len(values))]
    return [of(part) if len(part) == length and not any(map(math.isnan, part)) else NAN for part in windows]


def smoothed(values: Values, length: int, alpha: float) -> list[float]:
    """Return the exponential mean that starts from the mean of the first *length* values."""
    result = rolling(values, length, fmean)
    for at in range(1, len(values)):
        if not math.isnan(result[at - 1]):
            result[at] = alpha * values[at] + (1 - alpha) * result[at - 1]
    return result


def ema(values: Values, length: int) -> list[float]:
    return smoothed(values, length, 2 / (length + 1))


def wilder(values: Values, length: int) -> list[float]:
    return smoothed(values, length, 1 / length)


def each(function: Callable[..., float], *columns: Values) -> list[float]:
    """Return *function* of the columns, line by line; NaN where one of them is."""
    return [NAN if any(map(math.isnan, line)) else function(*line) for line in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Bars:
    """A window as lists, and what several definitions share."""

    time: Values
    high: Values
    low: Values
    close: Values
    volume: Values
    taker: Values

    @property
    def typical(self) -> list[float]:
        return each(lambda *prices: sum(prices) / 3, self.high, self.low, self.close)

    @property
    def true_range(self) -> list[float]:
        before = [self.low[0], *self.close[:-1]]  # the first is high − low
        return each(lambda h, low, c: max(h, c) - min(low, c), self.high, self.low, before)

    def middle(self, length: int) -> list[float]:
        return each(lambda h, low: (h + low) / 2, rolling(self.high, length, max), rolling(self.low, length, min))

    def day_sum(self, values: Values) -> list[float]:
        """Return the running sum since 00:00 UTC."""
        result: list[float] = []
        for time, value in zip(self.time, values, strict=True):
            result.append(value if time % 86_400_000 == 0 else value + (result[-1] if result else NAN))
        return result


def shown(values: Values) -> list[float]:
    """Return what Ichimoku draws: the spans of 25 bars before."""
    return [NAN] * 25 + list(values[:-25])


def rsi(b: Bars) -> list[float]:
    moves = [NAN, *(now - before for before, now in zip(b.close, b.close[1:], strict=False))]
    gain, loss = (wilder(each(lambda move, s=sign: max(0.0, s * move), moves), 14) for sign in (1, -1))
    return each(lambda up, down: 100 * up / (up + down), gain, loss)


def stoch_rsi_k(b: Bars) -> list[float]:
    raw = rolling(rsi(b), 14, lambda part: 100 * (part[-1] - min(part)) / (max(part) - min(part)))
    return rolling(raw, 3, fmean)


def macd(b: Bars) -> list[float]:
    return each(lambda fast, slow: fast - slow, ema(b.close, 12), ema(b.close, 26))


def squeeze_momentum(b: Bars) -> list[float]:
    distance = each(lambda c, mid, mean: c - (mid + mean) / 2, b.close, b.middle(20), rolling(b.close, 20, fmean))

    def end(part: Values) -> float:
        slope, intercept = linear_regression(range(20), part)
        return slope * 19 + intercept

    return rolling(distance, 20, end)


def obv(b: Bars) -> list[float]:
    result = [0.0]
    for at in range(1, len(b.close)):
        move = b.close[at] - b.close[at - 1]
        result.append(result[-1] + (math.copysign(b.volume[at], move) if move else 0.0))
    return result


def mfi(b: Bars) -> list[float]:
    typical = b.typical
    flows = [NAN]
    for at in range(1, len(typical)):
        move = typical[at] - typical[at - 1]
        flows.append(math.copysign(typical[at] * b.volume[at], move) if move else 0.0)

    def share(part: Values) -> float:
        return 100 * sum(flow for flow in part if flow > 0) / sum(map(abs, part))

    return rolling(flows, 14, share)


def mean_deviation(part: Values) -> float:
    mean = fmean(part)
    return (part[-1] - mean) / (0.015 * fmean([abs(value - mean) for value in part]))


DEFINITIONS: dict[str, Callable[[Bars], list[float]]] = {
    "ema_20": lambda b: ema(b.close, 20),
    "ema_200": lambda b: ema(b.close, 200),
    "atr": lambda b: wilder(b.true_range, 14),
    "atr_ratio": lambda b: rolling(wilder(b.true_range, 14), 100, lambda part: part[-1] / fmean(part)),
    "tenkan": lambda b: b.middle(9),
    "kijun": lambda b: b.middle(26),
    "senkou_a": lambda b: shown(each(lambda fast, slow: (fast + slow) / 2, b.middle(9), b.middle(26))),
    "senkou_b": lambda b: shown(b.middle(52)),
    "rsi": rsi,
    "stoch_rsi_k": stoch_rsi_k,
    "stoch_rsi_d": lambda b: rolling(stoch_rsi_k(b), 3, fmean),
    "macd": macd,
    "macd_signal": lambda b: ema(macd(b), 9),
    "macd_histogram": lambda b: each(lambda line, signal: line - signal, macd(b), ema(macd(b), 9)),
    "williams_r": lambda b: each(
        lambda top, bottom, close: -100 * (top - close) / (top - bottom),
        rolling(b.high, 14, max), rolling(b.low, 14, min), b.close,
    ),
    "cci": lambda b: rolling(b.typical, 20, mean_deviation),
    "bollinger_upper": lambda b: rolling(b.close, 20, lambda part: fmean(part) + 2 * pstdev(part)),
    "bollinger_lower": lambda b: rolling(b.close, 20, lambda part: fmean(part) - 2 * pstdev(part)),
    "keltner_upper": lambda b: each(
        lambda mean, reach: mean + 1.5 * reach, rolling(b.close, 20, fmean), rolling(b.true_range, 20, fmean)
    ),
    "squeeze_on": lambda b: each(
        lambda bands, channel: float(2 * bands < 1.5 * channel),
        rolling(b.close, 20, pstdev), rolling(b.true_range, 20, fmean),
    ),
    "squeeze_momentum": squeeze_momentum,
    "vwap": lambda b: each(
        lambda value, volume: value / volume,
        b.day_sum(each(lambda price, volume: price * volume, b.typical, b.volume)), b.day_sum(b.volume),
    ),
    "cumulative_delta": lambda b: b.day_sum(each(lambda taker, volume: 2 * taker - volume, b.taker, b.volume)),
    "obv": obv,
    "mfi": mfi,
    "volume_ratio": lambda b: rolling(b.volume, 21, lambda part: part[-1] / fmean(part[:-1])),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("hours", [0, 7])
def test_a_series_is_its_definition(name: str, hours: int) -> None:
    """Every bar agrees, warm-up included, whether or not the window begins at midnight."""
    rows = bars.matrix(320, seed=3, start=bars.MIDNIGHT + hours * 3_600_000)
    lists = Bars(*(rows[at].tolist() for at in (0, 2, 3, 4, 5, 7)))
    expected = np.array(DEFINITIONS[name](lists))
    np.testing.assert_allclose(compute_all(Window("5m", rows))[name], expected, rtol=1e-8, atol=1e-8)


def test_a_squeeze_is_both_on_and_off_in_what_is_tested() -> None:
    """A test of a switch says nothing where it stands still."""
    states = compute_all(Window("5m", bars.matrix(320, seed=3)))["squeeze_on"]
    assert {0.0, 1.0} <= set(states[19:].tolist())
