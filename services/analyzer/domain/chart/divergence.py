"""Regular divergence between the price and its RSI, at confirmed swing points only."""

from __future__ import annotations

from typing import Final

from services.analyzer.domain.chart.swings import Indices, Swings
from services.analyzer.domain.numeric import Series

WITHIN: Final = 35  #: bars back to the earlier swing


def rsi_divergence(swings: Swings, rsi: Series, *, last: int) -> float:
    """Return +1 for a bullish divergence, −1 for a bearish one, 0 for none or both, seen from bar *last*.

    Bullish: the last of two swing lows within 35 bars is lower, and its RSI higher; bearish mirrored at highs.
    Source: Wilder 1978; "regular divergence" as TradingView's RSI Divergence indicator draws it.
    """
    bullish = _diverges(swings.low_at, swings.lows, rsi, last, -1.0)
    bearish = _diverges(swings.high_at, swings.highs, rsi, last, 1.0)
    return float(bullish) - float(bearish)


def _diverges(at: Indices, prices: Series, rsi: Series, last: int, sign: float) -> bool:
    """Return whether the price made a peak that is higher by *sign* than the one before, and the RSI a lower one."""
    if len(at) < 2 or last - at[-2] > WITHIN:
        return False
    return bool(sign * (prices[-1] - prices[-2]) > 0 and sign * (rsi[at[-1]] - rsi[at[-2]]) < 0)
