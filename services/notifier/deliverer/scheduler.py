"""Puts jobs back into their queues: postponed ones that are due, and those of dead workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from services.notifier.deliverer.orphaned_jobs import OrphanedJobs
from services.notifier.delivery.queues import is_whole, queue_name
from shared.config.environment import Environment
from shared.runtime.watched_queue import connect

log = structlog.get_logger()


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
        try:
            self._scheduler.enqueue_scheduled_jobs()
        except NoSuchJobError:
            self._drop_remains(names)
        self._orphans.put_back(names)

    def _drop_remains(self, names: Iterable[str]) -> None:
        """Drop postponed jobs of which a failover left remains: the scheduler would stop at each of them.

        Their alerts are enqueued anew, by the notifier, which reads them again.
        """
        for name in names:
            registry = Queue(name, connection=self._connection, serializer=JSONSerializer).scheduled_job_registry
            for job in registry.get_job_ids(cleanup=False):
                if not is_whole(self._connection, job):
                    log.warning("a postponed job cannot be read any more", queue=name, job=job)
                    registry.remove(job)
