"""One rq worker: the thread that serves one destination."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from functools import cached_property
from typing import Any, Final

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.worker import WorkerStatus

from services.notifier.delivery.queues import ARRIVED, queue_name
from services.notifier.jobs import NOT_MISSED
from shared.config.environment import Environment
from shared.runtime.watched_queue import MAINTENANCE_S, SILENCE_S, WORKER_TTL_S, ShortSilence, WatchedQueue, connect

RESTART_S: Final = 3.0  #: until a worker that lost the bus begins again

#: one that waits for its next attempt, or that a user has enqueued again meanwhile, keeps its alert
_EMPTY_LUA: Final = (
    "if redis.call('HGET', KEYS[1], 'status') == 'finished' then redis.call('HSET', KEYS[1], 'data', ARGV[1]) end"
)

log = structlog.get_logger()


class DestinationWorker(ShortSilence, SimpleWorker):
    """Runs the jobs of one destination, one after the other, in a thread among those of other destinations."""

    death_penalty_class = TimerDeathPenalty  # signals belong to the main thread

    @cached_property
    def _empty(self) -> Any:
        return self.connection.register_script(_EMPTY_LUA)

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

    def handle_job_success(
        self, job: Job, queue: Queue, started_job_registry: StartedJobRegistry, execution: Execution
    ) -> None:
        """Record the success.

        A finished job is kept for a day: its id is refused, its alert may be sent again.  One that arrived loses its
        alert; run again, as after a failover that put its id back into the queue, it does nothing.
        """
        super().handle_job_success(job, queue, started_job_registry, execution)
        if job.return_value() not in NOT_MISSED:
            return
        with suppress(RedisError, OSError):  # the success stands
            self._empty(keys=[job.key], args=[ARRIVED])

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """Whether maintenance is due; asked while no job is held, so this is where a worker can stop."""
        if self._stop_requested:
            raise StopRequested
        return bool(super().should_run_maintenance_tasks)

    def finish(self) -> None:
        """Take no further job."""
        self._stop_requested = True

    def subscribe(self) -> None:
        """Listen to no commands: that would be one more connection and thread for each destination."""

    def procline(self, message: str) -> None:
        """Leave the process's title alone."""

    def _install_signal_handlers(self) -> None:
        """Leave signals to the process."""


class DestinationThread:
    """Serves one destination until it is stopped; where the bus is lost it begins again."""

    def __init__(self, destination: str, environment: Environment) -> None:
        self._destination, self._environment = destination, environment
        self._stopping = threading.Event()
        self._worker: DestinationWorker | None = None
        self._thread = threading.Thread(target=self.run, name=f"to {destination}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stopping.is_set():
            try:
                self._work()
            except Exception as error:  # a destination without a worker would be silent for ever
                log.warning("a worker begins again", destination=self._destination, error=str(error))
            self._stopping.wait(RESTART_S)

    def _work(self) -> None:
        """Be one rq worker, until it is stopped or loses the bus."""
        name = uuid.uuid4().hex
        connection = connect(self._environment)
        connection.connection_pool.connection_kwargs["client_name"] = name  # by which `wake` finds it
        try:
            queue = WatchedQueue(
                queue_name(self._environment.market, self._destination),
                connection=connection,
                serializer=JSONSerializer,
            )
            self._worker = DestinationWorker(
                [queue],
                name=name,
                connection=connection,
                serializer=JSONSerializer,
                maintenance_interval=MAINTENANCE_S,
                worker_ttl=WORKER_TTL_S,
                log_job_description=False,
            )
            if not self._stopping.is_set():
                self._worker.work(logging_level="WARNING")
        finally:
            connection.close()

    def stop(self) -> None:
        """Ask it to end after the job it is at; `wake` those that wait for one."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.finish()

    @property
    def name(self) -> str:
        """The name of its connections on the bus."""
        return "" if self._worker is None else str(self._worker.name)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)


def wake(connection: Redis, names: set[str]) -> None:
    """End the waiting for jobs of the workers *names*; where the server's user may not, they wait on."""
    for client in connection.client_list():
        if client["name"] in names and "b" in client["flags"]:
            connection.client_unblock(int(client["id"]))
