"""One running process of a service: its name, its bus, its progress, and how it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from shared.bus import Bus
from shared.config.environment import Environment
from shared.runtime.settings_cache import SettingsCache

STUCK_AFTER_S: Final = 60.0  #: without progress a service is unhealthy


class Service:
    """One running process of a service."""

    def __init__(self, name: str, environment: Environment, bus: Bus) -> None:
        self.name = name
        self.environment = environment
        self.bus = bus
        self.stopping = asyncio.Event()
        self.settings = SettingsCache(lambda: environment.sealing_key)
        self.instance = environment.instance or f"{name}-{socket.gethostname()}-{os.getpid()}"
        self._progress = time.monotonic()
        self.waiting_for = "start"
        self.parts: list[Service] = []  #: the work of other markets in this process
        self.remarks: Callable[[], Sequence[str]] = tuple  #: remarks for users, one sentence each

    def beat(self, waiting_for: str = "") -> None:
        """Note that the loop makes progress, and what it waits for if it cannot work."""
        self._progress = time.monotonic()
        self.waiting_for = waiting_for

    def part(self, market: str, bus: Bus) -> Service:
        """Return this service for another *market*: it stops with this one, whose health is that of the worst part."""
        made = Service(self.name, self.environment.of_market(market), bus)
        made.stopping = self.stopping
        self.parts.append(made)
        return made

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the process makes progress, and the details."""
        silent = max(time.monotonic() - each._progress for each in (self, *self.parts))
        healthy = silent < STUCK_AFTER_S
        return healthy, {
            "service": self.name,
            "instance": self.instance,
            "healthy": healthy,
            "seconds_since_progress": round(silent, 1),
            "waiting_for": next((each.waiting_for for each in (self, *self.parts) if each.waiting_for), ""),
            "remarks": list(self.remarks()),
            "settings_version": self.settings.version,
        }

    async def pause(self, seconds: float) -> None:
        """Sleep, or return at once when the service stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
