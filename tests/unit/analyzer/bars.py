"""Made-up bars for the analyzer's tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.window import Window
from shared.contracts import INTERVALS, Interval

Floats = npt.NDArray[np.float64]
MIDNIGHT = 1_757_376_000_000  #: a UTC midnight, ms


def matrix(
    count: int = 499, *, seed: int = 1, interval: Interval = "5m", start: int = MIDNIGHT, scale: float = 0.004
) -> Floats:
    """Return a random walk of *count* consistent bars as a snapshot's matrix, on a tick of 0.01."""
    random = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(random.normal(0, scale, count))), 2)
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.round(np.maximum(opened, close) * (1 + np.abs(random.normal(0, scale / 2, count))), 2)
    low = np.round(np.minimum(opened, close) * (1 - np.abs(random.normal(0, scale / 2, count))), 2)
    high, low = np.maximum(high, np.maximum(opened, close)), np.minimum(low, np.minimum(opened, close))
    volume = np.round(random.lognormal(6, 0.6, count), 3)
    taker = np.round(volume * np.clip(0.5 + random.normal(0, 0.08, count), 0, 1), 3)
    times = start + np.arange(count) * float(INTERVALS[interval])
    return np.stack([times, opened, high, low, close, volume, volume * close, taker])


def window(count: int = 499, *, seed: int = 1, interval: Interval = "5m") -> Window:
    """Return a random walk as a window."""
    return Window(interval, matrix(count, seed=seed, interval=interval))


def flat(count: int = 499, *, price: float = 50.0, volume: float = 10.0) -> Window:
    """Return bars in which nothing moves."""
    rows = matrix(count)
    rows[1:5], rows[5], rows[7] = price, volume, volume / 2
    return Window("5m", rows)
