"""Regular divergence between the price and its RSI, at confirmed swing points only."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.analyzer.domain.numeric import Series
from services.analyzer.domain.swings import Indices, Swings

WITHIN: Final = 35  #: bars back to the earlier swing


def rsi_divergence(swings: Swings, rsi: Series, *, last: int) -> float:
    """Return +1 for a bullish divergence, −1 for a bearish one, 0 for none or both, seen from bar *last*.

    Bullish: the last of two swing lows within 35 bars is lower, and its RSI higher; bearish mirrored at highs.
    Source: Wilder 1978; "regular divergence" as TradingView's RSI Divergence indicator draws it.
    """
    bullish = _diverges(swings.low_at, -swings.lows, -rsi, last)
    bearish = _diverges(swings.high_at, swings.highs, rsi, last)
    return float(bullish) - float(bearish)


def _diverges(at: Indices, prices: Series, rsi: Series, last: int) -> bool:
    """Return whether the price made a higher peak than before and the RSI did not."""
    if len(at) < 2 or last - at[-2] > WITHIN or np.isnan(rsi[at[-2]]):
        return False
    return bool(prices[-1] > prices[-2] and rsi[at[-1]] < rsi[at[-2]])
