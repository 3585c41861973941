"""One rq worker: the process that serves one destination."""

from __future__ import annotations

import logging
import os
import sys
import threading
from multiprocessing import connection, parent_process

import aiosmtplib  # noqa: F401 - what channels load when first used, here before the fork
import standardwebhooks  # noqa: F401
import structlog
import telegram  # noqa: F401
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from services.notifier import jobs  # noqa: F401 - imported before the fork, so that a job starts at once
from services.notifier.delivery.queues import queue_name
from shared.runtime.logging import configure_logging
from shared.runtime.watched_queue import MAINTENANCE_S, SILENCE_S, WORKER_TTL_S, ShortSilence, WatchedQueue, connect
from shared.sending import connecting, http, templates  # noqa: F401
from shared.settings import Environment

log = structlog.get_logger()


class DestinationWorker(ShortSilence, SimpleWorker):
    """Runs jobs in its own process: it serves one destination, so a hanging job delays no other."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job, with heartbeats from a thread beside it."""
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
    """Serve *destination*'s queue until stopped, or until the parent is gone."""
    environment = environment or Environment()
    configure_logging(environment.log_level, environment.log_format)
    logging.getLogger("rq").setLevel(logging.WARNING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    queue = WatchedQueue(
        queue_name(environment.market, destination),
        connection=connect(environment),
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
