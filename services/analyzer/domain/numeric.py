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


def clip(value: float, low: float = -1.0, high: float = 1.0) -> float:
    """Return *value* held between *low* and *high*."""
    return low if value < low else high if value > high else value


def slope(values: Series) -> float:
    """Return the least-squares slope of *values* per step."""
    count = len(values)
    steps = np.arange(count) - (count - 1) / 2
    return float(steps @ values / (steps @ steps))
