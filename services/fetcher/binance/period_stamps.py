"""Whether `/futures/data/*` stamps a five-minute point with the end of its period or with the beginning.

The documentation does not say, and the archive's files changed on 2026-06-25.  The data shows it: a stamp within
the last five minutes cannot be the beginning of a period that is over.  Where none is ever that new, although the
points have had a minute to come out, they are stamped with the beginning.  Kept are ends, as everywhere here.
"""

from __future__ import annotations

from typing import Final

import structlog

from services.fetcher.exchange import Points
from shared.contracts import SCAN_MS

OUT_AFTER_MS: Final = 60_000  #: after the end of a period its point is out
ENOUGH: Final = 30  #: answers in a row, none of them newer than the period before the last
FOUND: Final = {
    "": "not known yet whether stamps are the end or the beginning of a period; taken as the end",
    "end": "stamps are the end of a period, found from the data",
    "beginning": "stamps are the beginning of a period, found from the data; put right here",
}

log = structlog.get_logger()


class PeriodStamps:
    """Learns the convention from successive answers."""

    def __init__(self) -> None:
        self.convention = ""  #: "end" or "beginning", once it is known
        self._old = 0  #: answers whose newest stamp was five to ten minutes old

    @property
    def remark(self) -> str:
        """The finding, as a sentence."""
        return f"/futures/data: {FOUND[self.convention]}"

    def normalised(self, points: Points, now: int) -> Points:
        """Return *points*, got at *now*, stamped with the ends of their periods."""
        times, values = points
        if times.size and now:
            self._learn(int(times[-1]), now)
        return (times + SCAN_MS, values) if self.convention == "beginning" else points

    def _learn(self, newest: int, now: int) -> None:
        boundary = now - now % SCAN_MS
        if newest > boundary - SCAN_MS:
            self._decide("end")
        elif newest == boundary - SCAN_MS and now - boundary >= OUT_AFTER_MS and not self.convention:
            self._old += 1
            if self._old >= ENOUGH:
                self._decide("beginning")

    def _decide(self, convention: str) -> None:
        if convention != self.convention:
            self.convention = convention
            log.info("futures data: stamps", convention=f"{convention} of the period")
