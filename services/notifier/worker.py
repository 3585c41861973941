"""One rq worker: the process that tells one destination."""

from __future__ import annotations

import logging
import os
import sys
import threading
from multiprocessing import connection, parent_process
from typing import Final

import structlog
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from services.notifier import jobs  # noqa: F401 - imported before the fork, so that a job starts at once
from services.notifier.queues import connect, queue_name
from shared.service import configure_logging
from shared.settings import Environment

MAINTENANCE_S: Final = 15  #: how soon a dead worker's job is looked for
SILENCE_S: Final = 12  #: a job without a sign of life for so long belongs to a dead worker
WORKER_TTL_S: Final = 30  #: the worker looks up from its queue every half of it

log = structlog.get_logger()


class DestinationQueue(Queue):
    """A queue whose maintenance a killed worker does not hold up for the quarter of an hour that rq reckons with."""

    def acquire_maintenance_lock(self) -> bool:
        """Return whether this worker is the one to look for what others left."""
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=MAINTENANCE_S))


class DestinationWorker(SimpleWorker):
    """Runs jobs in its own process: it serves one destination, so a hanging job delays no other."""

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return how long a job counts as being worked on without a sign of life, seconds."""
        return SILENCE_S

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job, with signs of life from beside it."""
        execution = self.prepare_execution(job)
        done = threading.Event()
        beating = threading.Thread(target=self._beat, args=(job, execution, done), daemon=True)
        beating.start()
        try:
            self.perform_job(job, queue, execution)
        finally:
            done.set()
            beating.join()
        self.set_state(WorkerStatus.IDLE)

    def _beat(self, job: Job, execution: Execution, done: threading.Event) -> None:
        while not done.wait(SILENCE_S / 4):
            try:
                self.maintain_heartbeats(job, execution)
            except (RedisError, OSError):
                continue  # the next beat may get through

    def procline(self, message: str) -> None:
        """Leave the process's title alone."""


def work(destination: str, environment: Environment | None = None) -> None:
    """Serve *destination*'s queue until told to stop or the parent is gone."""
    environment = environment or Environment()
    configure_logging(environment.log_level, environment.log_format)
    logging.getLogger("rq").setLevel(logging.WARNING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    queue = DestinationQueue(
        queue_name(environment.market, destination),
        connection=connect(environment.redis_url),
        serializer=JSONSerializer,
    )
    try:
        worker = DestinationWorker(
            [queue],
            connection=queue.connection,
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_S,
            worker_ttl=WORKER_TTL_S,
            log_job_description=False,
        )
        worker.work(logging_level="WARNING")
    except (RedisError, OSError) as error:
        log.warning("the bus does not answer", destination=destination, error=str(error))
        sys.exit(1)  # the deliverer starts another one


def _end_with_parent() -> None:
    """End this process when the deliverer is killed; its open attempt is found by the next one."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
