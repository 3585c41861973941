"""The rule that makes open interest, ratios and funding out of bars, for the seeded market and for replays.

It carries a few exponential means from one day to the next, nothing else, so that the same bars
always give the same derivatives.  The seeded market adds noise of its own; a replay adds none.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from services.simulator.instruments import Contract, stable_hash
from services.simulator.market.tape import CLOSE, QUOTE, SERIES, Floats


def decay(half_life: float) -> float:
    """Return the factor by which a mean forgets in one bar."""
    return float(0.5 ** (1.0 / half_life))


class Mean:
    """An exponential mean (or a leaky sum) that goes on from day to day, one per row."""

    def __init__(self, rows: int, half_life: float, *, leaky_sum: bool = False, start: float = 0.0) -> None:
        self._phi = decay(half_life)
        self._gain = 1.0 if leaky_sum else 1.0 - self._phi
        self._state = np.full((rows, 1), start * self._phi)

    def __call__(self, values: Floats) -> Floats:
        """Return the mean after each of *values*, shape (rows, n)."""
        means, self._state = lfilter([self._gain], [1.0, -self._phi], values, axis=-1, zi=self._state)
        return np.asarray(means)


class DerivativesRule:
    """Open interest, ratios and funding that follow from price and volume."""

    def __init__(self, contracts: list[Contract]) -> None:
        rows = len(contracts)
        trait = np.array([[stable_hash(f"{contract.symbol}/{n}") / 2**32 for contract in contracts] for n in range(3)])
        self._global_base = 0.15 + 0.75 * trait[0][:, None]  # log ratio: alts' crowds are long
        self._top_base = 0.10 + 0.50 * trait[1][:, None]
        self._interest_share = 0.25 + 0.35 * trait[2][:, None]
        self._drift = Mean(rows, 96)
        self._size = Mean(rows, 288, start=1e-3)
        self._interest = Mean(rows, 864, leaky_sum=True)
        self._crowd = Mean(rows, 24)
        self._coins: Floats | None = None
        self._last_close: Floats | None = None

    def day(self, bars: Floats, noise: Floats | None = None) -> Floats:
        """Return the series (5, rows, 288) for a day's *bars*; *noise* is (4, rows, 288) of unit size."""
        close, quote = self._filled(bars[CLOSE]), np.nan_to_num(bars[QUOTE])
        moves = np.diff(np.log(close), axis=1, prepend=np.log(self._previous(close)))
        trend = np.clip(10.0 * self._drift(moves) / np.maximum(self._size(np.abs(moves)), 1e-5), -3.0, 3.0)
        jitter = np.zeros((4, *close.shape)) if noise is None else noise
        crowd = self._crowd(np.tanh(0.8 * trend))
        series = np.empty((SERIES, *close.shape))
        series[0] = self._open_interest(moves, trend, quote, close, jitter[0])
        series[1] = np.exp(self._global_base - 0.45 * crowd + 0.05 * jitter[1])
        series[2] = np.exp(self._top_base + 0.20 * crowd + 0.04 * jitter[2])
        series[3] = np.exp(0.5 * self._top_base + 0.15 * crowd + 0.03 * jitter[2])
        series[4] = np.clip(1e-4 + 7e-5 * trend + 2e-5 * trend**3 + 3e-5 * jitter[3], -0.0075, 0.0075)
        self._last_close = close[:, -1:]
        return series

    def _open_interest(self, moves: Floats, trend: Floats, quote: Floats, close: Floats, jitter: Floats) -> Floats:
        """Build positions while bars go with the trend, unwind them while they go against it."""
        built = self._interest(0.0012 * np.tanh(np.abs(trend)) * np.sign(moves * trend) + 0.0005 * jitter)
        if self._coins is None:  # each row's size is fixed once, from its first day's turnover
            self._coins = self._interest_share * quote.sum(axis=1, keepdims=True) / close.mean(axis=1, keepdims=True)
        return np.asarray(self._coins * np.exp(built))

    def _filled(self, close: Floats) -> Floats:
        """Carry the last price over holes."""
        if not np.isnan(close).any():
            return close
        there = ~np.isnan(close)
        at = np.maximum.accumulate(np.where(there, np.arange(close.shape[1]), 0), axis=1)
        filled = np.take_along_axis(close, at, axis=1)
        return np.where(np.isnan(filled), self._previous(np.nan_to_num(filled, nan=1.0)), filled)

    def _previous(self, close: Floats) -> Floats:
        return close[:, :1] if self._last_close is None else self._last_close
