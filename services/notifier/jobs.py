"""The rq job: one attempt to deliver one alert to one destination, and when the next one is due."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from rq import Retry
from structlog.contextvars import bound_contextvars

from services.notifier.delivery import queues
from services.notifier.delivery.attempt import attempt
from services.notifier.delivery.context import DeliveryContext
from shared.runtime.tracing import trace_of
from shared.settings import Environment

log = structlog.get_logger()

_context: DeliveryContext | None = None
_runner: asyncio.Runner | None = None


def deliver(data: str, destination: str) -> Any:
    """Deliver the packed alert to *destination*; a `Retry` asks rq for another attempt later."""
    global _context, _runner
    try:
        alert = queues.unpack(data)
    except queues.Unreadable as error:
        log.error("a queued alert cannot be read", destination=destination, error=str(error))
        return None  # it would never be readable
    if _context is None or _runner is None:
        _context, _runner = DeliveryContext.of(Environment()), asyncio.Runner()
    with bound_contextvars(trace_id=trace_of(_context.bus.market, alert)):
        seconds = _runner.run(attempt(_context, alert, destination))
    return None if seconds is None else Retry(max=queues.RETRIES, interval=max(1, round(seconds)))
