"""What past signals say about the next ones: which forecast to use, and how comparable setups went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.evaluator.domain.aftermath import AT_LEAST, aftermaths
from services.evaluator.domain.calibration import Calibration, calibrate
from services.evaluator.domain.record import comparables
from services.evaluator.domain.statistics import day_of
from shared.contracts import DAY_MS, HOUR_MS, Forecast, Outcome, RecordChanged
from shared.odds import SPAN_DAYS


def published(outcomes: Sequence[Outcome], day: int) -> RecordChanged:
    """Return the record of the signals and anomalies that ended in the 90 days before *day*, its beginning in ms.

    It counts from an hour after: long enough for it to be computed and to reach everybody.
    """
    first = day - SPAN_DAYS * DAY_MS
    ended = [one for one in outcomes if one.result and first <= one.ended_at < day]
    past = [one for one in ended if one.kind == "signal"]
    believed = calibration_of(past)
    forecast = Forecast(
        version=believed.version,
        intercept=believed.intercept,
        slope=believed.slope,
        n=believed.n,
        days=believed.days,
    )
    return RecordChanged(
        version=day,
        since=day + HOUR_MS,
        forecast=forecast,
        comparable=comparables(past, days=SPAN_DAYS),
        aftermath=aftermaths(ended, at_least=AT_LEAST),
    )


def calibration_of(signals: Sequence[Outcome]) -> Calibration:
    """Return the forecast to use after *signals*, in any order, and how reliable it is."""
    ordered = sorted(signals, key=lambda one: (one.scan_id, one.outcome_id))
    forecast = np.array([one.forecast for one in ordered], dtype=np.float64)
    happened = np.array([one.result == "target" for one in ordered], dtype=np.float64)
    return calibrate(forecast, happened, day_of([one.scan_id for one in ordered]))
