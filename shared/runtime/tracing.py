"""The trace id of a message: one name for all that follows from a bar, up to the last delivery."""

from __future__ import annotations

from shared import ids
from shared.contracts import Message


def trace_of(market: str, message: Message) -> str:
    """Return the trace id of *message*, empty where it is of no scan (a setting, a tick)."""
    about = getattr(message, "analysis", message)  # a decision is about its analysis' coin
    scan_id = getattr(about, "scan_id", 0)
    return ids.trace_id(market, getattr(about, "symbol", ""), scan_id) if scan_id else ""
