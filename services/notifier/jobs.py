"""The rq job: one attempt to deliver one alert to one destination, and when the next one is due."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, TypeVar

import structlog
from redis.exceptions import RedisError
from rq import Retry
from structlog.contextvars import bound_contextvars

from services.notifier.delivery import queues
from services.notifier.delivery.attempt import attempt
from services.notifier.delivery.context import DeliveryContext
from services.notifier.delivery.delivery_log import DeliveryLog
from shared.config.environment import Environment
from shared.contracts import Alert
from shared.runtime.tracing import trace_of

LONGEST_S: Final = queues.JOB_SECONDS - 1.0  #: of one attempt; rq's own limit cannot interrupt the wait for it
ANSWER_S: Final = 5.0  #: for a loop that works to answer, however much it has to do; over before `queues.RQ_SECONDS`
NOT_MISSED: Final = ("sent", "suppressed")  #: what a finished job answers; no one asks for its alert again
WATCH_S: Final = 3.0  #: between two looks for reports that a failover took back
LOOKUPS: Final = 64  #: threads for names and for libraries that block, a few for each destination of a process

log = structlog.get_logger()

Result = TypeVar("Result")


class AttemptLoop:
    """The event loop of all attempts of this process, in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(LOOKUPS))  # those that hang leave room for the others
        self.context = DeliveryContext.of(Environment())
        threading.Thread(target=self._loop.run_forever, name="attempts", daemon=True).start()
        asyncio.run_coroutine_threadsafe(_keep_reports(self.context.delivery_log), self._loop)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what *work* returns; raise `TimeoutError` where it takes longer than an attempt may."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(LONGEST_S)
        except TimeoutError:
            if not future.done():
                future.cancel()
                self._must_answer()
            raise

    def _must_answer(self) -> None:
        """End the process where something holds up the loop: the pool starts another one."""
        try:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop).result(ANSWER_S)
        except TimeoutError:
            log.error("an attempt holds up all others: this worker process ends")
            os._exit(1)


async def _keep_reports(delivery_log: DeliveryLog) -> None:
    """Look every few seconds whether a failover of the bus took reports back, and put them there again."""
    while True:
        await asyncio.sleep(WATCH_S)
        try:
            count = await delivery_log.put_back()
        except (RedisError, OSError):
            continue  # the bus is away; at the next look it may be another one
        if count:
            log.warning("a failover took reports back; they are published again", count=count)


@cache
def _attempts() -> AttemptLoop:
    return AttemptLoop()


_begins: Final = threading.Lock()  #: two first jobs may come at once


def deliver(data: str, destination: str) -> Any:
    """Deliver the packed alert to *destination*; a `Retry` asks rq for another attempt later, a word says how it ended.

    The word is one of `NOT_MISSED`; None: it did not arrive, as far as is known.
    """
    try:
        alert = queues.unpack(data)
    except queues.Unreadable as error:
        log.error("a queued alert cannot be read", destination=destination, error=str(error))
        return None  # it would never be readable
    with _begins:
        attempts = _attempts()
    with bound_contextvars(trace_id=trace_of(attempts.context.bus.market, alert)):
        seconds, status = attempts.run(_attempted(attempts.context, alert, destination))
    if seconds is not None:
        return Retry(max=queues.RETRIES, interval=max(1, round(seconds)))
    return status if status in NOT_MISSED else None


def arrived() -> str:
    """Do nothing: the alert of this job has arrived, and is not kept."""
    return "sent"


async def _attempted(context: DeliveryContext, alert: Alert, destination: str) -> tuple[float | None, str]:
    """Make one attempt; return the seconds to the next one, and how the delivery stands."""
    seconds = await attempt(context, alert, destination)
    try:
        return seconds, (await context.delivery_log.state_of(alert.alert_id, destination)).status
    except (RedisError, OSError):
        return seconds, ""
