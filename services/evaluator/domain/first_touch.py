"""First touch: whether target, stop or the end of the time comes first, over any number of closed bars at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from shared.contracts import DAY_MS, HOUR_MS, SCAN_MS, Fact, Floats, Outcome, OutcomeResult

AT, OPEN, HIGH, LOW, CLOSE, FUNDING = range(6)  #: rows of the bars matrix: close time, prices, funding at the opening
ROWS: Final = 6
PATIENCE_MS: Final = HOUR_MS  #: how long after the end of an outcome's time a bar is waited for
DROPPED_AFTER_MS: Final = DAY_MS  #: how long a control that waits for its moment's bar is kept


class TouchProgress(Fact, frozen=True):
    """How far an outcome has been followed."""

    until: int  #: the end of its time
    followed_to: int  #: close of the newest bar that was followed
    last_close: float
    cost_rate: float  #: fee and slippage of one side, of the traded value
    best: float = 0.0  #: in R, between −1 and the reward
    worst: float = 0.0
    funding: float = 0.0  #: paid by a long so far, in price
    seen: int = 0  #: five-minute bars


@dataclass(frozen=True)
class Touch:
    """How an outcome ended."""

    result: OutcomeResult
    at: int  #: close of the bar
    price: float
    ambiguous: bool = False


def direction(outcome: Outcome) -> float:
    """Return 1 for a long, −1 for a short."""
    return 1.0 if outcome.side == "long" else -1.0


def in_r(outcome: Outcome, price: float) -> float:
    """Return the result at *price*, in R."""
    return direction(outcome) * (price - outcome.entry) / abs(outcome.entry - outcome.stop)


def begin(outcome: Outcome, *, hours: float, cost_rate: float) -> TouchProgress:
    """Return the progress at the entry, the close of the scan's bar."""
    return TouchProgress(
        until=outcome.scan_id + int(hours * HOUR_MS),
        followed_to=outcome.scan_id,
        last_close=outcome.entry,
        cost_rate=cost_rate,
    )


def follow(
    outcome: Outcome, progress: TouchProgress, bars: Floats, *, fine: bool = True
) -> tuple[TouchProgress, Touch | None]:
    """Return the progress after *bars*, shape (6, n), oldest first, and the touch if one of them made it.

    Bars already followed and bars after the end of the time are skipped, so that any division of the same bars gives
    the same result.  A bar that touches both counts as the stop; a stop that the bar's open is already beyond is
    filled there, a target never better than at its price.  Without *fine* the bars are not counted as observed.
    """
    bars = bars[:, (bars[AT] > progress.followed_to) & (bars[AT] <= progress.until)]
    if not bars.shape[1]:
        return progress, None
    way = direction(outcome)
    adverse, favourable = (bars[LOW], bars[HIGH]) if way > 0 else (bars[HIGH], bars[LOW])
    stopped, reached = way * (adverse - outcome.stop) <= 0, way * (favourable - outcome.target) >= 0
    touched = stopped | reached
    last = int(touched.argmax()) if touched.any() else bars.shape[1] - 1
    seen = slice(0, last + 1)
    reward = in_r(outcome, outcome.target)
    risk = abs(outcome.entry - outcome.stop)
    best = float(np.max(way * (favourable[seen] - outcome.entry))) / risk
    worst = float(np.min(way * (adverse[seen] - outcome.entry))) / risk
    progress = msgspec.structs.replace(
        progress,
        followed_to=int(bars[AT, last]),
        last_close=float(bars[CLOSE, last]),
        best=max(progress.best, min(best, reward)),
        worst=min(progress.worst, max(worst, -1.0)),
        funding=progress.funding + _funding(outcome, progress, bars[:, seen]),
        seen=progress.seen + (last + 1 if fine else 0),
    )
    if not touched.any():
        over = progress.followed_to >= progress.until
        return progress, Touch("time", progress.until, progress.last_close) if over else None
    if stopped[last]:
        opened = float(bars[OPEN, last])
        price = opened if way * (opened - outcome.stop) < 0 else outcome.stop
        return progress, Touch("stop", progress.followed_to, price, ambiguous=bool(reached[last]))
    return progress, Touch("target", progress.followed_to, outcome.target)


def _funding(outcome: Outcome, progress: TouchProgress, bars: Floats) -> float:
    """Return what a long pays over *bars*: each settlement at its bar's opening, on the close before."""
    if not bars[FUNDING].any():
        return 0.0
    before = np.concatenate(([progress.last_close], bars[CLOSE, :-1]))
    held = bars[AT] - SCAN_MS > outcome.scan_id
    return float(np.sum(np.where(held, bars[FUNDING] * before, 0.0)))


def give_up(progress: TouchProgress) -> Touch:
    """Return the end of an outcome whose coin has no more bars."""
    return Touch("time", progress.followed_to, progress.last_close)
