"""Means with intervals by whole days, since trades of one day move together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from shared.contracts import DAY_MS, Floats

Days = npt.NDArray[np.int64]
RESAMPLES: Final = 2_000
SEED: Final = 20_240_917
LEVEL: Final = 0.95
LEAST_DAYS: Final = 5  #: fewer give too few different draws: two days have three


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of two, with its interval; NaN without enough data."""

    mean: float
    low: float
    high: float
    p: float  #: probability of as much by chance alone, two-sided
    design_effect: float = math.nan  #: variance by days ÷ variance were all independent


def day_of(times: npt.ArrayLike) -> Days:
    """Return the UTC day of each of *times*, UNIX ms."""
    return np.asarray(times, dtype=np.int64) // DAY_MS


def mean_by_days(values: Floats, days: Days, *, resamples: int = RESAMPLES) -> Estimate:
    """Return the mean of *values* with the interval of a bootstrap that draws whole *days*, with replacement.

    Fewer than `LEAST_DAYS` have no interval.  Source: Künsch (1989), blocks of dependent observations.
    """
    return _estimate(Sums.of(values, days), None, resamples, _independent(values))


def difference_by_days(
    left: Floats, left_days: Days, right: Floats, right_days: Days, *, resamples: int = RESAMPLES
) -> Estimate:
    """Return mean(*left*) − mean(*right*), with the same days drawn for both, since they share a market."""
    every = np.union1d(left_days, right_days)
    ours, theirs = (Sums.of(values, days, every) for values, days in ((left, left_days), (right, right_days)))
    return _estimate(ours, theirs, resamples, _independent(left) + _independent(right))


@dataclass(frozen=True)
class Sums:
    """Each day's sum and count."""

    sums: Floats
    counts: Floats

    @classmethod
    def of(cls, values: Floats, days: Days, every: Days | None = None) -> Sums:
        """Add *values* up by day, over the days in *every* or those that occur."""
        every = np.unique(days) if every is None else every
        place = np.searchsorted(every, days)
        size = len(every)
        sums, counts = np.bincount(place, values, size), np.bincount(place, minlength=size)
        return cls(sums.astype(np.float64), counts.astype(np.float64))

    def means(self, drawn: Floats) -> Floats:
        """Return the mean under each draw; a draw is how often each day was drawn; NaN where it has no values."""
        counts = drawn @ self.counts
        means: Floats = np.divide(drawn @ self.sums, counts, out=np.full(len(drawn), np.nan), where=counts > 0)
        return means


@lru_cache(maxsize=8)
def _draws(size: int, resamples: int) -> Floats:
    """Return how often each of *size* days is drawn, a row for each draw; read-only, the same for all."""
    drawn = np.random.default_rng(SEED).multinomial(size, np.full(size, 1 / size), resamples).astype(np.float64)
    drawn.flags.writeable = False
    return drawn


def _independent(values: Floats) -> float:
    """Return the variance of the mean, were all values independent."""
    return float(np.var(values, ddof=1) / len(values)) if len(values) > 1 else math.nan


def _estimate(ours: Sums, theirs: Sums | None, resamples: int, independent: float) -> Estimate:
    whole = np.ones((1, len(ours.sums)))
    mean = float((ours.means(whole) - (theirs.means(whole) if theirs else 0.0))[0]) if whole.size else math.nan
    size = len(ours.sums)
    if size < LEAST_DAYS or math.isnan(mean):
        return Estimate(mean, math.nan, math.nan, math.nan)
    drawn = _draws(size, resamples)
    means = ours.means(drawn) - (theirs.means(drawn) if theirs else 0.0)
    means = means[np.isfinite(means)]
    if len(means) < resamples / 2:
        return Estimate(mean, math.nan, math.nan, math.nan)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    error = float(np.std(means, ddof=1))
    p = float(2 * stats.norm.sf(abs(mean) / error)) if error > 0 else math.nan
    return Estimate(mean, float(low), float(high), p, error**2 / independent if independent > 0 else math.nan)


def discoveries(p_values: list[float]) -> list[float]:
    """Return each p-value adjusted by Benjamini and Yekutieli (2001): the share of false discoveries up to it.

    Cuts of the same signals depend on one another; NaN stays NaN and is not counted.
    """
    known = [number for number, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [math.nan] * len(p_values)
    if known:
        for number, q in zip(
            known, stats.false_discovery_control([p_values[n] for n in known], method="by"), strict=True
        ):
            adjusted[number] = float(q)
    return adjusted
