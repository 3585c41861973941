"""Messages that crashed their handler: tried again, then put aside with the error, so that the rest goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import structlog

from shared.bus import MAX_TRIES, Bus, Delivery, Token

log = structlog.get_logger()


class Suspects:
    """Counts the crashes of each message."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._tries: Counter[Token] = Counter()

    async def failed(self, delivery: Delivery, error: Exception) -> bool:
        """Keep *error*; return whether *delivery* was tried often enough and is now a dead letter."""
        token = delivery.token
        self._tries[token] += 1
        log.error("a message could not be handled", stream=token.stream, error=repr(error), exc_info=error)
        await self._bus.fail(delivery, repr(error))
        if self._tries[token] < MAX_TRIES:
            return False
        await self._bus.put_aside(replace(delivery, tries=self._tries.pop(token)), repr(error))
        return True
