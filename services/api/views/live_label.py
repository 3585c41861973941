"""The live label: where the newest price is between an open signal's stop, entry and target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

DANGER_R: Final = -0.75
CAUTION_R: Final = -0.5
MOVED_SHARE: Final = 0.4  #: of the way to the target


def live_label(signal: Mapping[str, Any], price: float) -> str:
    """Return "SL HIT", "DANGER", "CAUTION", "MOVED", "TP HIT", or an empty text; the closed bar decides the end."""
    risk = abs(signal["entry"] - signal["stop"])
    if not risk:
        return ""
    sign = 1.0 if signal["side"] == "long" else -1.0
    gained = sign * (price - signal["entry"]) / risk
    reward = abs(signal["target"] - signal["entry"]) / risk
    if gained <= -1.0:
        return "SL HIT"
    if gained >= reward:
        return "TP HIT"
    if gained <= CAUTION_R:
        return "DANGER" if gained <= DANGER_R else "CAUTION"
    atr = signal.get("atr") or 0.0
    return "MOVED" if gained >= MOVED_SHARE * reward or (atr and gained >= atr / risk) else ""
