"""The recorded bars of all coins: how far each had moved at a scan, and how a trade in them ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import msgspec
import numpy as np

from services.backtest.outcomes import followed
from services.evaluator.domain.first_touch import AT, CLOSE
from shared.contracts import DAY_MS, Floats, Outcome, Side
from shared.settings import RuntimeSettings

LONG_BACK: Final = DAY_MS  #: over which a coin's move is taken


@dataclass(frozen=True, eq=False)
class Market:
    """The bars of all coins, and the settings that trades in them are followed by."""

    bars: Mapping[str, Floats]  #: by symbol, as `bars_to_follow` returns them
    settings: RuntimeSettings

    @cached_property
    def _end(self) -> int:
        return max((int(each[AT, -1]) for each in self.bars.values() if each.shape[1]), default=0)

    def ended(self, trade: Outcome) -> Outcome:
        """Return *trade* with its result; it is empty where the bars end before."""
        begun = msgspec.structs.replace(trade, result="")
        return followed(begun, self.bars[trade.symbol], self.settings.outcomes, self._end)[0]

    def moves(self, scan_id: int) -> dict[str, float]:
        """Return each coin's return over the 24 hours up to the close of *scan_id*, of those that have both bars."""
        return _moves(self, scan_id)

    def rank(self, symbol: str, side: Side, scan_id: int) -> float:
        """Return the share of the other coins that moved less to *side* than *symbol*; NaN where it is not known."""
        moves = self.moves(scan_id)
        if symbol not in moves or len(moves) < 2:
            return math.nan
        way = 1.0 if side == "long" else -1.0
        return sum(way * move < way * moves[symbol] for move in moves.values()) / (len(moves) - 1)

    def breadth(self, side: Side, scan_id: int) -> float:
        """Return the share of all coins that moved to *side* over 24 hours; NaN where none is known."""
        moves = self.moves(scan_id)
        way = 1.0 if side == "long" else -1.0
        return sum(way * move > 0 for move in moves.values()) / len(moves) if moves else math.nan


@lru_cache(maxsize=20_000)
def _moves(market: Market, scan_id: int) -> dict[str, float]:
    found = {}
    for symbol, bars in market.bars.items():
        now, before = np.searchsorted(bars[AT], [scan_id, scan_id - LONG_BACK])
        if now < bars.shape[1] and bars[AT, now] == scan_id and bars[AT, before] == scan_id - LONG_BACK:
            found[symbol] = float(bars[CLOSE, now] / bars[CLOSE, before] - 1.0)
    return found
