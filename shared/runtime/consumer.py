"""The loop of a stage: read, handle, commit; only committed messages are acknowledged."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import structlog
from redis.exceptions import RedisError

from shared import metrics
from shared.bus import Commit, CommitResult, Delivery, Token
from shared.contracts import Stream
from shared.runtime.service import Service
from shared.runtime.tracing import trace_of

CLAIM_AFTER_MS: Final = 15_000  #: above the slowest honest job

log = structlog.get_logger()

Handler = Callable[[Sequence[Delivery]], Awaitable[Sequence[Commit | Exception]]]


async def consume(service: Service, group: str, streams: Sequence[Stream], handle: Handler, *, count: int = 16) -> None:
    """Read, handle, commit, until the service stops; only committed messages are acknowledged.

    *handle* answers each delivery with its commit, or with the exception that it raised.
    """
    deliveries = await _begin(service, group, streams)
    next_claim = 0.0
    while not service.stopping.is_set():
        try:
            if deliveries:
                began = time.perf_counter()
                answers = await handle(deliveries)
                metrics.HANDLING.labels(service.name).observe((time.perf_counter() - began) / len(deliveries))
                await _commit(service, deliveries, answers)
            service.beat()
            deliveries = await service.bus.read(group, service.instance, streams, count=count)
            if time.monotonic() > next_claim:  # even when busy: a dead consumer's messages must not wait for a pause
                deliveries += await _claim(service, group, streams, count)
                next_claim = time.monotonic() + CLAIM_AFTER_MS / 5_000
        except (RedisError, OSError) as error:
            log.warning("the bus does not answer", error=str(error))
            deliveries = []
            await service.pause(1.0)


async def _begin(service: Service, group: str, streams: Sequence[Stream]) -> list[Delivery]:
    while not service.stopping.is_set():
        try:
            return await service.bus.pending(group, service.instance, streams)
        except (RedisError, OSError) as error:
            log.warning("the bus does not answer", error=str(error))
            await service.pause(1.0)
    return []


async def _claim(service: Service, group: str, streams: Sequence[Stream], count: int) -> list[Delivery]:
    claimed: list[Delivery] = []
    for stream in streams:
        claimed += await service.bus.claim(group, service.instance, stream, min_idle_ms=CLAIM_AFTER_MS, count=count)
        backlog = await service.bus.backlog(stream, group)
        metrics.LAG.labels(stream, group).set(backlog.undelivered)
        metrics.OLDEST_PENDING.labels(stream, group).set(backlog.oldest_pending_ms / 1_000)
    return claimed


async def _commit(service: Service, deliveries: Sequence[Delivery], answers: Sequence[Commit | Exception]) -> None:
    commits = [answer for answer in answers if isinstance(answer, Commit)]
    for delivery, answer in zip(deliveries, answers, strict=True):
        if isinstance(answer, Exception):
            log.error(
                "a message could not be handled",
                stream=delivery.token.stream,
                trace_id=trace_of(service.bus.market, delivery.message),
                error=repr(answer),
                exc_info=answer,
            )
            await service.bus.fail(delivery, repr(answer))
    results = await service.bus.commit_all(commits)
    observe_latency(delivery.token for delivery in deliveries)
    if CommitResult.STALE in results:
        log.warning("commits were refused: another instance is active", count=results.count(CommitResult.STALE))


def observe_latency(tokens: Iterable[Token]) -> None:
    """Measure how long ago the bus received the messages of *tokens*, which are done with."""
    now = time.time()
    for token in tokens:
        metrics.LATENCY.labels(token.stream, token.group).observe(max(0.0, now - token.sent_at / 1_000))
