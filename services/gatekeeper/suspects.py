"""Messages that crashed their handler: tried again, then put aside with the error, so that the rest goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from services.gatekeeper.inbox import Held
from shared.bus import MAX_TRIES, Bus, Delivery, Token
from shared.contracts import Analysis

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


def culprits(
    held: Held, error: Exception, crash_of: Callable[[Mapping[str, Analysis]], Exception | None]
) -> list[tuple[Delivery, Exception]]:
    """Return whom to blame for *error*, which the whole scan raised: the analyses that crash it alone.

    Where none does, or it takes none, the scan itself is bad: what told that it opened.
    """
    alone: list[tuple[Delivery, Exception]] = []
    if crash_of({}) is None:
        found = [(delivery, crash_of({symbol: one})) for symbol, (delivery, one) in held.analyses.items()]
        alone = [(delivery, raised) for delivery, raised in found if raised is not None]
    return alone or [(delivery, error) for delivery in held.openings()]
