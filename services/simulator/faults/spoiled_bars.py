"""What the faults that change bars do to them."""

from __future__ import annotations

import numpy as np

from services.simulator.market.tape import CLOSE, HIGH, LOW, OPEN, VOLUME, Floats


def spoil(fault: str, bars: Floats, tick: float) -> None:
    """Change *bars*, shape (9, n), in place by *fault*; *tick* is the contract's usual one."""
    match fault:
        case "zero-volume":
            bars[HIGH], bars[LOW], bars[CLOSE] = bars[OPEN], bars[OPEN], bars[OPEN]
            bars[VOLUME:] = 0.0
        case "zero-price":
            bars[: CLOSE + 1] = 0.0
        case "negative-price":
            bars[LOW] = -bars[LOW]
        case "nan" | "nan-literal":
            bars[CLOSE] = np.nan
        case "infinity":
            bars[CLOSE] = np.inf
        case "wick":
            bars[LOW] *= 0.001
        case "tick-size-change":
            coarse = tick * 10
            bars[: CLOSE + 1] = np.round(bars[: CLOSE + 1] / coarse) * coarse
