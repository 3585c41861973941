"""An answer that takes its time, given again for some seconds to all who ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """The newest answer to one question; it is asked once for all who wait for it."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._monotonic = seconds, monotonic
        self._asking = asyncio.Lock()
        self._newest: tuple[float, Answer] | None = None

    async def get(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what *ask* answered within the last seconds, or does now; what it raises is not remembered."""
        async with self._asking:
            if self._newest is None or self._monotonic() - self._newest[0] >= self._seconds:
                answer = await ask()
                self._newest = self._monotonic(), answer
            return self._newest[1]
