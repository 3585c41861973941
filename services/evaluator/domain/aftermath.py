"""What followed anomalies, against other moments of the same coins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.evaluator.domain import anomalies
from services.evaluator.domain.statistics import day_of
from shared.contracts import Aftermath, Floats, Outcome

AT_LEAST: Final = 30  #: anomalies, and other moments, for a line on a post


def aftermaths(outcomes: Sequence[Outcome], *, at_least: int = 1) -> tuple[Aftermath, ...]:
    """Return what followed after each horizon of which enough is known; *outcomes* may be of any kind and order."""
    found = (_aftermath(outcomes, name, hours, at_least) for name, hours in anomalies.HORIZONS.items())
    return tuple(one for one in found if one is not None)


def _aftermath(outcomes: Sequence[Outcome], name: str, hours: int, at_least: int) -> Aftermath | None:
    own = [one for one in outcomes if one.kind == anomalies.KIND and getattr(one, name) is not None]
    returns = _returns(own, name)
    others = _returns([one for one in outcomes if one.kind == anomalies.OTHER], name)
    if len(returns) < at_least or len(others) < at_least:
        return None
    low, median, high = (float(value) for value in np.quantile(returns, (0.25, 0.5, 0.75)))
    return Aftermath(
        hours=hours,
        n=len(returns),
        days=len(np.unique(day_of([one.scan_id for one in own]))),
        median=median,
        low=low,
        high=high,
        went_on=float(np.mean(returns > 0)),
        others_n=len(others),
        others_went_on=float(np.mean(others > 0)),
    )


def _returns(outcomes: Sequence[Outcome], name: str) -> Floats:
    values = (getattr(one, name) for one in outcomes)
    return np.array([value for value in values if value is not None], dtype=np.float64)
