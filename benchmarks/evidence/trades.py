"""Other trades made of a signal: a later entry, another stop, another target.

Each takes a trade, which may be a signal or a control, and returns it before it is followed; none of them knows a bar
after the entry that it returns.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from benchmarks.evidence.market import Market
from services.evaluator.domain.costs import settle
from services.evaluator.domain.first_touch import AT, HIGH, LOW, Touch, begin, direction
from shared.contracts import HOUR_MS, Outcome

WAIT_MS: Final = 4 * HOUR_MS  #: for a pull-back
FAR: Final = 20.0  #: ATR: a target that is out of reach within a day


def stop_at_least(trade: Outcome, atrs: float) -> Outcome:
    """Return *trade* with its stop at least so many ATR away, its target where it was."""
    distance = max(abs(trade.entry - trade.stop), atrs * trade.atr)
    return msgspec.structs.replace(trade, stop=trade.entry - direction(trade) * distance)


def scaled(trade: Outcome, factor: float) -> Outcome:
    """Return *trade* with both distances *factor* times as long."""
    stop, target = (trade.entry + factor * (price - trade.entry) for price in (trade.stop, trade.target))
    return msgspec.structs.replace(trade, stop=stop, target=target)


def without_target(trade: Outcome) -> Outcome:
    """Return *trade* with a target out of reach: it ends at its stop or when its time is over."""
    return msgspec.structs.replace(trade, target=trade.entry + direction(trade) * FAR * trade.atr)


def pulled_back(trade: Outcome, market: Market, atrs: float, *, levels_move: bool) -> Outcome | None:
    """Return *trade*, followed to its end, entered at a limit so many ATR on the stop's side of its close.

    None where no bar of the next four hours comes to the limit, or the target is met before.  Stop and target move
    with the entry or stay.  A bar that comes to the limit and to the stop is a loss; a target within that bar does not
    count, since it may have come first.
    """
    way = direction(trade)
    limit = trade.entry - way * atrs * trade.atr
    bars = market.bars[trade.symbol]
    first, last = np.searchsorted(bars[AT], [trade.scan_id, trade.scan_id + WAIT_MS], side="right")
    bars = bars[:, first:last]
    adverse, favourable = (bars[LOW], bars[HIGH]) if way > 0 else (bars[HIGH], bars[LOW])
    filled, reached = way * (adverse - limit) <= 0, way * (favourable - trade.target) >= 0
    if not filled.any() or (reached.any() and reached.argmax() < filled.argmax()):
        return None
    bar = int(filled.argmax())
    shift = limit - trade.entry if levels_move else 0.0
    entered = msgspec.structs.replace(
        trade, scan_id=int(bars[AT, bar]), entry=limit, stop=trade.stop + shift, target=trade.target + shift
    )
    if way * (limit - entered.stop) <= 0:
        return None  # the limit is beyond the stop
    if way * (adverse[bar] - entered.stop) > 0:
        return market.ended(entered)
    rules = market.settings.outcomes
    progress = begin(entered, hours=rules.hours, cost_rate=rules.fee + rules.slippage)
    return settle(entered, progress, Touch("stop", entered.scan_id, entered.stop))
