"""How many requests may be under way at once: fewer on a line that times out, more again while it does not."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

ROUND_S: Final = 5.0  #: timeouts within this time of the last narrowing belong to the same congestion


class Slots:
    """A semaphore whose width follows the line: halved by a timeout, one wider after a full width of answers."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.most = self.width = most
        self._busy = self._answers = 0
        self._narrowed_at = float("-inf")
        self._monotonic = monotonic
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot; waits for its turn, first come, first served."""
        await self._turn()
        try:
            yield
        finally:
            self._busy -= 1
            self._admit()

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # admitted at the moment at which it gave up
                self._busy -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        """Let in as many as there are slots; to wake all that wait would cost the square of their number."""
        while self._waiting and self._busy < self.width:
            turn = self._waiting.popleft()
            if not turn.done():
                self._busy += 1
                turn.set_result(None)

    def timed_out(self) -> None:
        """Take half of the slots away, once for each congestion."""
        now = self._monotonic()
        if now - self._narrowed_at >= ROUND_S:
            self._narrowed_at, self._answers = now, 0
            self.width = max(1, self.width // 2)

    def answered(self) -> None:
        """Count an answer in time; as many as there are slots make one more."""
        self._answers += 1
        if self._answers >= self.width < self.most:
            self.width, self._answers = self.width + 1, 0
            self._admit()
