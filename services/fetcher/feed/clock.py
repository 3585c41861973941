"""The exchange's clock: the last event's time plus speed × the time since.

At speed 0 (lockstep) it moves with the events alone.  The host's wall clock is never used, so a
wrong one does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

LONGEST_NAP_S: Final = 0.25  #: wall time after which a waiter looks again in any case


class ExchangeClock:
    """UNIX ms of the exchange, learnt from its events; unknown until the first."""

    def __init__(self, speed: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.speed = speed
        self._monotonic = monotonic
        self._event = 0
        self._seen_at = 0.0
        self._answered = False  #: the newest time is an answer to "what time is it", which an event overrules
        self._answer = 0  #: the last one to "what time is it"
        self._moved = asyncio.Event()

    @property
    def known(self) -> bool:
        """Whether any time of the exchange was ever seen; the offset cannot be measured before."""
        return self._event > 0

    @property
    def silent_seconds(self) -> float:
        """Wall time since the newest event."""
        return self._monotonic() - self._seen_at if self._event else 0.0

    def observe(self, event_ms: int) -> None:
        """Take the time of an event, unless it is older than the newest."""
        if event_ms > self._event or self._answered:
            self._set(event_ms, answered=False)

    def synchronise(self, server_ms: int, *, silence_s: float = 5.0) -> None:
        """Take the exchange's answer to "what time is it", where no event has come for *silence_s*.

        An answer that has not moved since the last one comes from a clock that stands: ours goes on.
        """
        stands, self._answer = server_ms <= self._answer, server_ms
        if stands:
            return
        if not self.known or self._answered or self._monotonic() - self._seen_at > silence_s:
            self._set(server_ms, answered=True)

    def _set(self, moment: int, *, answered: bool) -> None:
        self._event, self._seen_at, self._answered = moment, self._monotonic(), answered
        self._moved.set()

    def now(self) -> int:
        """Return the exchange's time now, 0 while it is unknown."""
        if not self._event:
            return 0
        return self._event + int(self.speed * 1_000 * (self._monotonic() - self._seen_at))

    def wall_seconds(self, milliseconds: float) -> float:
        """Return *milliseconds* of the exchange's clock as wall seconds; a short wait in lockstep."""
        return max(0.0, milliseconds) / 1_000 / self.speed if self.speed else LONGEST_NAP_S

    async def confirmed(self, patience_s: float) -> None:
        """Return when an event has shown the time, after *patience_s* of wall time in any case."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._answered or not self.known:
                    self._moved.clear()
                    await self._moved.wait()

    async def until(self, moment: int) -> None:
        """Return when the clock has reached *moment*, at once when it has passed it."""
        while (rest := moment - self.now()) > 0:
            self._moved.clear()
            nap = min(self.wall_seconds(rest) + 0.001, LONGEST_NAP_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(nap):
                    await self._moved.wait()
