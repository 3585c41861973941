"""Recalibration of the plain forecast by past outcomes, and the reliability of both.

Recalibration is logistic: logit(p) = intercept + slope × logit(plain).  It is used only where at least 1,000 outcomes
on 60 days show it, on days it was not fitted on, to be better than the plain forecast by the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize

from services.evaluator.domain.statistics import Days, Estimate, mean_by_days
from shared.contracts import Floats

PLAIN: Final = "plain"
OUTCOMES: Final = 1_000
DAYS: Final = 60
FOLDS: Final = 3  #: parts of the later half of the days; each is forecast from all days before it
EMBARGO: Final = 1  #: days left out before each part: outcomes that began on them may end within it
BINS: Final = 10
EDGE: Final = 1e-6  #: the smallest distance of a forecast from 0 and 1


@dataclass(frozen=True)
class Bin:
    """One line of the reliability table."""

    forecast: float  #: mean
    happened: float  #: share
    n: int


@dataclass(frozen=True)
class Calibration:
    """A version of the forecast."""

    version: str  #: "plain", or "logistic:DAY" with the last day it was fitted on
    intercept: float
    slope: float
    n: int
    days: int
    plain_brier: float
    brier: float  #: of this version; out of sample where it is recalibrated
    gain: Estimate | None  #: plain Brier score less recalibrated, out of sample; None: too few outcomes to try
    reliability: tuple[Bin, ...]  #: of this version


def calibrate(forecast: Floats, happened: Floats, days: Days, *, least_days: int = DAYS) -> Calibration:
    """Return the version to use: *forecast* are plain probabilities, *happened* 0 or 1, *days* ascending.

    Outcomes on fewer than *least_days* days leave the plain one in use.
    """
    known = np.isfinite(forecast)
    forecast, happened, days = forecast[known], happened[known], days[known]
    distinct = np.unique(days)
    plain = brier(forecast, happened)
    tried = None
    if len(forecast) >= OUTCOMES and len(distinct) >= least_days:
        tested, refitted = _walk_forward(forecast, happened, days, distinct)
        losses = (forecast[tested] - happened[tested]) ** 2 - (refitted - happened[tested]) ** 2
        tried = mean_by_days(losses, days[tested])
        if tried.low > 0:
            intercept, slope = fit(forecast, happened)
            table = reliability(refitted, happened[tested])
            out_of_sample = brier(refitted, happened[tested])
            version = f"logistic:{np.datetime64(int(distinct[-1]), 'D')}"
            return Calibration(
                version, intercept, slope, len(forecast), len(distinct), plain, out_of_sample, tried, table
            )
    return Calibration(
        PLAIN, 0.0, 1.0, len(forecast), len(distinct), plain, plain, tried, reliability(forecast, happened)
    )


def _walk_forward(
    forecast: Floats, happened: Floats, days: Days, distinct: Days
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Return which outcomes were tested, and their forecasts from earlier days alone."""
    borders = [int(day) for day in np.quantile(distinct, np.linspace(0.5, 1.0, FOLDS + 1), method="lower")]
    borders[-1] += 1
    tested = (days >= borders[0]) & (days < borders[-1])
    refitted = np.full(len(forecast), np.nan)
    for start, end in pairwise(borders):
        earlier, fold = days < start - EMBARGO, (days >= start) & (days < end)
        if fold.any():
            refitted[fold] = recalibrate(forecast[fold], *fit(forecast[earlier], happened[earlier]))
    return tested, refitted[tested]


def fit(forecast: Floats, happened: Floats) -> tuple[float, float]:
    """Return intercept and slope of maximum likelihood; (0, 1) where all outcomes are equal."""
    if len(happened) == 0 or happened.min() == happened.max():
        return 0.0, 1.0
    logits = _logit(forecast)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        line = parameters[0] + parameters[1] * logits
        off = 1.0 / (1.0 + np.exp(-line)) - happened
        return float(np.sum(np.logaddexp(0.0, line) - happened * line)), np.array([off.sum(), off @ logits])

    found = optimize.minimize(loss, np.array([0.0, 1.0]), jac=True, method="BFGS", options={"gtol": 1e-6})
    return float(found.x[0]), float(found.x[1])


def recalibrate(forecast: Floats, intercept: float, slope: float) -> Floats:
    """Return *forecast* recalibrated by the logistic line."""
    return np.asarray(1.0 / (1.0 + np.exp(-(intercept + slope * _logit(forecast)))))


def _logit(forecast: Floats) -> Floats:
    held = np.clip(forecast, EDGE, 1.0 - EDGE)
    return np.asarray(np.log(held / (1.0 - held)))


def brier(forecast: Floats, happened: Floats) -> float:
    """Return the mean squared error of *forecast*; NaN of none."""
    return float(np.mean((forecast - happened) ** 2)) if len(forecast) else float("nan")


def skill(forecast: Floats, happened: Floats) -> float:
    """Return the Brier skill score: the share of the base rate's Brier score that *forecast* saves."""
    base = float(np.var(happened)) if len(happened) else 0.0
    return 1.0 - brier(forecast, happened) / base if base > 0 else float("nan")


def reliability(forecast: Floats, happened: Floats) -> tuple[Bin, ...]:
    """Return up to ten bins of equally many outcomes, by rising forecast."""
    order = np.argsort(forecast, kind="stable")
    parts = np.array_split(order, min(BINS, len(order))) if len(order) else []
    return tuple(Bin(float(forecast[part].mean()), float(happened[part].mean()), len(part)) for part in parts)
