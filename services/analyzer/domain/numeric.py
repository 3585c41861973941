"""TA-Lib without pandas and polars, and the few array operations that it lacks."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]


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


def empty(length: int) -> Series:
    """Return NaN, *length* times."""
    return np.full(length, np.nan)


def lead(values: Series, missing: int) -> Series:
    """Return *values* behind *missing* NaN."""
    return np.concatenate((empty(missing), values)) if missing else values


def divide(above: Series, below: Series, otherwise: float) -> Series:
    """Return above / below, *otherwise* where below is zero; NaN stays NaN."""
    result = np.full(above.shape, otherwise)
    np.divide(above, below, out=result, where=below != 0)
    return result


def since_midnight(open_time: Series, values: Series) -> Series:
    """Return the running sum of *values* per UTC day; NaN before the window's first midnight."""
    days = open_time // 86_400_000
    starts = np.flatnonzero(np.diff(days, prepend=days[0] - (open_time[0] % 86_400_000 == 0)))
    total = empty(len(values))
    if len(starts):
        total[starts[0] :] = day_sums(starts, values)
    return total


def day_sums(starts: npt.NDArray[np.intp], values: Series) -> Series:
    """Return the running sums from the first of *starts* on, beginning anew at each."""
    first = starts[0]
    sums = np.concatenate(([0.0], np.cumsum(values[first:])))
    lengths = np.diff(starts, append=len(values))
    return np.asarray(sums[1:] - np.repeat(sums[starts - first], lengths))


def clip(value: float, low: float = -1.0, high: float = 1.0) -> float:
    """Return *value* held between *low* and *high*."""
    return low if value < low else high if value > high else value


def slope(values: Series) -> float:
    """Return the least-squares slope of *values* per step."""
    count = len(values)
    steps = np.arange(count) - (count - 1) / 2
    return float(steps @ values / (steps @ steps))
