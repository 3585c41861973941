"""The last third of a recording, which is held out until it is asked for."""

from __future__ import annotations

from typing import Final

from shared.contracts import DAY_MS, HOUR_MS

SHARE: Final = 1 / 3


def boundary(first: int, end: int) -> int:
    """Return the UTC midnight at which the last third of the scans from *first* to *end* begins."""
    days = -(-(end - first) // DAY_MS)
    return (end - int(days * SHARE) * DAY_MS) // DAY_MS * DAY_MS


def last_scan(begins: int, hours: float) -> int:
    """Return the last scan whose signals end before the last third, which *begins* then: *hours* are followed."""
    return begins - int(hours * HOUR_MS)
