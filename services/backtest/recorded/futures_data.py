"""The futures figures at a scan, and the funding that a position paid: never data of a later moment."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.backtest.recorded.observed import POINTS
from services.backtest.recorded.recording import ESTIMATED_HOURS, CoinHistory
from services.fetcher.domain.bars import CLOSE
from services.fetcher.domain.derivatives import FUNDING_HOURS, HELD_POINTS, SETTLEMENTS
from services.simulator.market.tape import FUNDING
from shared.contracts import HOUR_MS, SCAN_MS, Derivatives, Floats, Points

MARK_BEFORE_MS: Final = SCAN_MS + 15_000  #: the replay's last mark price before the scan less five minutes


def derivatives_at(history: CoinHistory, scan_id: int) -> Derivatives:
    """Return what was known five minutes before *scan_id*: as observed where that is recorded, else by the rule."""
    column = history.column(scan_id)
    is_settled = bool(history.settled_lately[column])
    rate, at, hours, past = _settled(history, scan_id) if is_settled else _estimated(history, scan_id)
    interest, everyone, top = (_points(history, row, column - 1) for row in range(len(POINTS)))
    return Derivatives(
        open_interest=interest,
        global_ratio=everyone,
        top_ratio=top,
        funding_settled=past,
        funding_rate=rate,
        funding_at=at,
        funding_interval_hours=hours,
        estimated=not (is_settled and history.observed.enough[:, column - 1].all()),
    )


def observed_scans(history: CoinHistory, first: int, last: int) -> dict[str, int]:
    """Return of how many scans from *first* to *last* that have a bar each kind of figures is as observed."""
    columns = np.arange(history.column(first), history.column(last) + 1)
    there = np.isfinite(history.five[CLOSE, columns - 1])
    interest, everyone, top = history.observed.enough[:, columns - 1]
    kinds = {"open interest": interest, "ratios": everyone & top, "funding": history.settled_lately[columns]}
    return {name: int((there & known).sum()) for name, known in kinds.items()}


def _points(history: CoinHistory, row: int, end: int) -> Points:
    """Return the day of points before the column *end*, whose last one is stamped then."""
    start = max(0, end - HELD_POINTS)
    stamps = history.genesis + np.arange(start + 1, end + 1) * float(SCAN_MS)
    if not history.observed.enough[row, end]:
        return Points.of(stamps, history.derivatives[POINTS[row], start:end])
    values = history.observed.points[row, start:end]
    there = np.isfinite(values)
    return Points.of(stamps[there], values[there])


Funding = tuple[float | None, int | None, int | None, Points]


def _estimated(history: CoinHistory, scan_id: int) -> Funding:
    """Return the rule's running rate as the replay shows it, and its settlements."""
    seen = scan_id - MARK_BEFORE_MS
    column = (seen - history.genesis) // SCAN_MS - 1
    length = ESTIMATED_HOURS * HOUR_MS
    last = (scan_id - SCAN_MS) // length
    first = max(last - SETTLEMENTS + 1, history.genesis // length + 1)
    stamps = np.arange(first, last + 1) * float(length)
    columns = ((stamps - history.genesis) // SCAN_MS - 1).astype(int)
    rate = float(history.derivatives[FUNDING, column]) if column >= 0 else None
    past = Points.of(stamps, history.derivatives[FUNDING, columns])
    return rate, seen if rate is not None else None, ESTIMATED_HOURS, past


def _settled(history: CoinHistory, scan_id: int) -> Funding:
    """Return the last settled rate as the running one: the next one was not known."""
    settled = history.settlements
    if settled is None:
        return None, None, None, Points.of([], [])
    end = int(np.searchsorted(settled.at, scan_id - SCAN_MS, side="right"))
    part = slice(max(0, end - SETTLEMENTS), end)
    hours = round((settled.at[end - 1] - settled.at[end - 2]) / HOUR_MS)
    known = hours if hours in FUNDING_HOURS else None
    past = Points.of(settled.at[part], settled.rate[part])
    return float(settled.rate[end - 1]), int(settled.at[end - 1]), known, past


def funding_paid(history: CoinHistory) -> Floats:
    """Return for each five-minute bar what was settled at its opening, a fraction of the price, paid by longs.

    Where no settlement is recorded it is the rate that the scan before showed, as the evaluator reckons live.
    """
    count = history.five.shape[1]
    paid = np.zeros(count)
    every = ESTIMATED_HOURS * HOUR_MS // SCAN_MS
    columns = np.arange(every, count, every)
    columns = columns[~history.settled_lately[columns + 1]]
    back = MARK_BEFORE_MS // SCAN_MS + 2  # the running rate at the scan of the opening, see `_estimated`
    paid[columns] = history.derivatives[FUNDING, columns - back]
    if history.settlements is not None:
        columns = ((history.settlements.at - history.genesis) // SCAN_MS).astype(int)
        inside = (columns >= 0) & (columns < count)
        paid[columns[inside]] = 0.0
        np.add.at(paid, columns[inside], history.settlements.rate[inside])
    return paid
