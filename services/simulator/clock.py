"""The exchange's clock: at any speed, or moved by hand in lockstep."""

from __future__ import annotations

import time
from collections.abc import Callable


class SimulatedClock:
    """Exchange time in UNIX ms; `speed` 0 means lockstep."""

    def __init__(self, start: int, speed: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.speed = speed
        self._monotonic = monotonic
        self._at = start
        self._since = monotonic()

    @property
    def lockstep(self) -> bool:
        return self.speed == 0

    def now(self) -> int:
        """Return the exchange's time, ms."""
        return self._at + int(self.speed * self._elapsed_ms())

    def metered(self) -> int:
        """Return the time by which limits and faults run: in lockstep wall time counts too, so that they end."""
        return self._at + int((self.speed or 1.0) * self._elapsed_ms())

    def jump(self, to: int) -> None:
        """Move the clock to *to*; metered time never goes back, and the clock runs on from there."""
        self._since = self._since if self.lockstep else self._monotonic()
        self._at = max(self._at, to)

    def seconds_until(self, moment: int) -> float:
        """Return the wall seconds until the clock shows *moment*; only where it runs."""
        return max(0.0, (moment - self.now()) / 1_000 / self.speed)

    def wall_seconds(self, exchange_ms: float) -> float:
        """Return how long *exchange_ms* of metered time take."""
        return exchange_ms / 1_000 / (self.speed or 1.0)

    def _elapsed_ms(self) -> float:
        return (self._monotonic() - self._since) * 1_000
