"""The rq job: one attempt to tell one destination of one alert, and when to come back for the next."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from rq import Retry

from services.notifier import queues
from services.notifier.attempt import attempt
from services.notifier.context import Context
from shared.settings import Environment

log = structlog.get_logger()

_context: Context | None = None
_runner: asyncio.Runner | None = None


def deliver(data: str, destination: str) -> Any:
    """Tell *destination* of the packed alert; a `Retry` asks rq to come back later."""
    global _context, _runner
    try:
        alert = queues.unpack(data)
    except queues.Unreadable as error:
        log.error("what another version queued cannot be read", destination=destination, error=str(error))
        return None  # it would never be readable
    if _context is None or _runner is None:
        _context, _runner = Context.of(Environment()), asyncio.Runner()
    seconds = _runner.run(attempt(_context, alert, destination))
    return None if seconds is None else Retry(max=queues.RETRIES, interval=max(1, round(seconds)))
