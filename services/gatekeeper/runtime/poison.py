"""Messages that crash their handler: tried again, then dead letters, so that the others go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from services.gatekeeper.runtime.pending_scans import AnalysedScan
from shared.bus import MAX_TRIES, Bus, Delivery, Token
from shared.contracts import Analysis
from shared.runtime.tracing import trace_of

log = structlog.get_logger()


class PoisonedMessages:
    """Counts the crashes of each message."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._tries: Counter[Token] = Counter()

    async def failed(self, delivery: Delivery, error: Exception) -> bool:
        """Keep *error*; return whether *delivery* was tried often enough and is now a dead letter."""
        token = delivery.token
        self._tries[token] += 1
        log.error(
            "a message could not be handled",
            stream=token.stream,
            trace_id=trace_of(self._bus.market, delivery.message),
            error=repr(error),
            exc_info=error,
        )
        await self._bus.fail(delivery, repr(error))
        if self._tries[token] < MAX_TRIES:
            return False
        await self._bus.put_aside(replace(delivery, tries=self._tries.pop(token)), repr(error))
        return True


def culprits(
    held: AnalysedScan, error: Exception, crash_of: Callable[[Mapping[str, Analysis]], Exception | None]
) -> list[tuple[Delivery, Exception]]:
    """Return the messages that cause *error* of a whole scan: the analyses that raise alone.

    Where none does, or the scan raises without any, it is the message that opened the scan.
    """
    alone: list[tuple[Delivery, Exception]] = []
    if crash_of({}) is None:
        found = [(delivery, crash_of({symbol: one})) for symbol, (delivery, one) in held.by_symbol.items()]
        alone = [(delivery, raised) for delivery, raised in found if raised is not None]
    return alone or [(delivery, error) for delivery in held.openings()]
