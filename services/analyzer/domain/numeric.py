"""TA-Lib without pandas and polars, and the few array operations that it lacks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from shared.kernels import kernel

Series = npt.NDArray[np.float64]
#: What kernels get and fill; `shared.kernels.source` says which C type each stands for.
NewSeries = Series
Rows = npt.NDArray[np.float64]  #: shape (any, bars)
NewRows = Rows
Places = npt.NDArray[np.intp]  #: bars' positions
NewPlaces = Places
Owner = TypeVar("Owner")
Value = TypeVar("Value")


def _import_talib() -> Any:
    """Import TA-Lib; it would pull in pandas and polars, 80 MB that are not used here."""
    hidden = {name: sys.modules.get(name) for name in ("pandas", "polars")}
    for name, module in hidden.items():
        if module is None:
            sys.modules[name] = None  # type: ignore[assignment]  # makes the import fail, which TA-Lib allows
    try:
        import talib._ta_lib  # noqa: PLC0415
    finally:
        for name, module in hidden.items():
            if module is None:
                del sys.modules[name]
    return talib._ta_lib


talib: Final = _import_talib()


class once(Generic[Owner, Value]):  # noqa: N801
    """A property that is computed when first asked for, without the lock of `functools.cached_property`."""

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        self.compute = compute

    def __get__(self, owner: Owner, _: type[Owner]) -> Value:
        value = owner.__dict__[self.compute.__name__] = self.compute(owner)
        return value


@kernel
def blank(lines: NewRows, until: int) -> None:
    """Fill the first *until* values of each of *lines* with NaN."""
    for line in range(len(lines)):
        for at in range(min(until, lines.shape[1])):
            lines[line, at] = math.nan


@kernel
def mean_of(values: Series, at: int, period: int) -> float:
    """Return the mean of the last *period* values at the bar *at*.

    It is added up anew for each bar: a running sum keeps the rounding of all that has left it.
    """
    total = 0.0
    for place in range(at + 1 - period, at + 1):
        total += values[place]
    return total / period


@kernel
def highest_of(values: Series, at: int, period: int) -> float:
    """Return the highest of the last *period* values at the bar *at*."""
    highest: float = values[at]
    for place in range(at + 1 - period, at):
        highest = max(highest, values[place])
    return highest


@kernel
def lowest_of(values: Series, at: int, period: int) -> float:
    """Return the lowest of the last *period* values at the bar *at*."""
    lowest: float = values[at]
    for place in range(at + 1 - period, at):
        lowest = min(lowest, values[place])
    return lowest


@kernel
def regressed(values: Series, at: int, period: int) -> float:
    """Return where the least-squares line through the last *period* values ends, at the bar *at*."""
    across, along = 0.0, 0.0  # of steps counted back from the bar, as TA-Lib does
    for back in range(period - 1, -1, -1):
        across += values[at - back]
        along += back * values[at - back]
    steps = period * (period - 1) * 0.5
    squares = period * (period - 1) * (2 * period - 1) / 6.0
    tilt = (period * along - steps * across) / (steps * steps - period * squares)
    return (across - tilt * steps) / period + tilt * (period - 1)


@kernel
def smoothed(mean: float, value: float, at: int, period: int) -> float:
    """Return Wilder's average at the bar *at*: *mean* is that of the bar before, *value* what this one adds.

    It is a sum over the first *period* bars, which the last of them makes a mean.
    """
    if at < period:
        return (mean + value) / period if at == period - 1 else mean + value
    return (mean * (period - 1) + value) / period


@kernel
def averaged(mean: float, value: float, at: int, period: int) -> float:
    """Return the exponential average at the bar *at*: *mean* is that of the bar before, *value* what this one adds.

    It is a sum over the first *period* bars, which the last of them makes a mean.
    """
    if at < period:
        return (mean + value) / period if at == period - 1 else mean + value
    return (value - mean) * (2.0 / (period + 1)) + mean


@kernel
def true_range(high: Series, low: Series, close: Series, at: int) -> float:
    """Return max(high, close before) − min(low, close before) of the bar *at*; of the first bar high − low."""
    span: float = high[at] - low[at]
    if at > 0:
        span = max(span, abs(high[at] - close[at - 1]), abs(low[at] - close[at - 1]))
    return span


def moments(values: Series) -> tuple[float, float]:
    """Return the mean of *values* and their population standard deviation, at a third of the cost of NumPy's."""
    mean = float(np.add.reduce(values)) / len(values)
    centred = values - mean
    return mean, math.sqrt(float(centred @ centred) / len(values))


def clip(value: float, low: float = -1.0, high: float = 1.0) -> float:
    """Return *value* held between *low* and *high*."""
    return low if value < low else high if value > high else value


def slope(values: Series) -> float:
    """Return the least-squares slope of *values* per step."""
    steps, square = _steps(len(values))
    return float(steps @ values / square)


@lru_cache(maxsize=16)
def _steps(count: int) -> tuple[Series, float]:
    """Return *count* steps around zero, and their sum of squares."""
    steps: Series = np.arange(count, dtype=np.float64) - (count - 1) / 2
    return steps, float(steps @ steps)
