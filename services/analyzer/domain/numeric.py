"""TA-Lib without pandas and polars, and the few array operations that it lacks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

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
    """Import TA-Lib; it would pull in pandas and polars, 80 MB that nobody here uses."""
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


def divide(above: Series, below: Series, otherwise: float | Series) -> Series:
    """Return above / below, *otherwise* where below is zero; NaN stays NaN."""
    if np.count_nonzero(below) == len(below):
        return above / below
    result = np.empty_like(above)
    result[:] = otherwise
    np.divide(above, below, out=result, where=below != 0)
    return result


def forget(sums: Series, values: Series, period: int) -> Series:
    """Return *sums*, running sums or means of *values*, with zero where the last *period* values are all zero.

    TA-Lib adds what comes and subtracts what leaves: the rounding stays behind.
    """
    if np.count_nonzero(values) < len(values):
        sums[talib.MAX(np.abs(values), period) == 0.0] = 0.0
    return sums


def every(flags: npt.NDArray[np.bool_]) -> bool:
    """Return whether all *flags* are set: counting them costs a quarter of NumPy's `all`."""
    return int(np.count_nonzero(flags)) == flags.size


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
