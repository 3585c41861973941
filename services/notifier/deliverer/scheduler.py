"""Puts jobs back into their queues: postponed ones that are due, and those of dead workers."""

from __future__ import annotations

from typing import Any

from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from services.notifier.deliverer.orphaned_jobs import OrphanedJobs
from services.notifier.delivery.queues import queue_name
from shared.runtime.watched_queue import connect
from shared.settings import Environment


class JobScheduler:
    """The scheduler of one market's queues."""

    def __init__(self, environment: Environment, market: str) -> None:
        self._connection = connect(environment)
        self._market = market
        self._names: frozenset[str] = frozenset()
        self._scheduler: Any = None  # rq's scheduler has no types
        self._orphans = OrphanedJobs(self._connection)

    def tick(self, destinations: frozenset[str]) -> None:
        """Enqueue the jobs that are due; a lease makes sure that one deliverer alone does."""
        names = [queue_name(self._market, name) for name in sorted(destinations)]
        if destinations != self._names or self._scheduler is None:
            self._names = destinations
            self._scheduler = RQScheduler(
                names, connection=self._connection, serializer=JSONSerializer, logging_level="WARNING"
            )
            self._scheduler.prepare_registries(names)
        self._scheduler.enqueue_scheduled_jobs()
        self._orphans.put_back(names)
