"""Binance's known enum values of contracts; any other makes a contract untradable and is counted."""

from __future__ import annotations

from typing import Final

PERPETUAL: Final = "PERPETUAL"
KNOWN_TYPES: Final = frozenset({PERPETUAL, "CURRENT_QUARTER", "NEXT_QUARTER", "CURRENT_MONTH", "NEXT_MONTH", ""})
KNOWN_UNDERLYINGS: Final = frozenset({"COIN", "INDEX"})
KNOWN_STATES: Final = frozenset(
    {"TRADING", "PENDING_TRADING", "PRE_DELIVERING", "DELIVERING", "DELIVERED", "PRE_SETTLE", "SETTLING", "CLOSE"}
)
