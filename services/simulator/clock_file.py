"""The exchange's clock across restarts: an exchange that comes back has not gone back in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from shared.contracts import DAY_MS

LONGEST_AWAY_MS: Final = DAY_MS  #: of the exchange's clock: a longer absence does not make it older


class _Reading(msgspec.Struct):
    exchange: int  #: ms
    wall: float  #: UNIX seconds at which the exchange's clock showed it


@dataclass(frozen=True)
class KeptClock:
    """A file with the last reading."""

    path: Path
    wall: Callable[[], float] = time.time

    def keep(self, exchange: int) -> None:
        """Note the exchange's time, ms."""
        fresh = self.path.with_name(f".{self.path.name}")
        fresh.write_bytes(msgspec.json.encode(_Reading(exchange, self.wall())))
        fresh.replace(self.path)

    def resumed(self, begin: int, end: int | None, speed: float) -> int:
        """Return where the clock goes on, ms: as if it had run meanwhile; *begin* where nothing usable was kept."""
        try:
            last = msgspec.json.decode(self.path.read_bytes(), type=_Reading)
        except (OSError, msgspec.MsgspecError):
            return begin
        away = int(min(max(0.0, self.wall() - last.wall) * 1_000 * speed, LONGEST_AWAY_MS))
        now = last.exchange + away
        return max(begin, now if end is None else min(now, end - 1))
