"""What rq's workers have in common: a killed one's job is found within seconds, not within a quarter of an hour."""

from __future__ import annotations

from typing import Final

import redis
from rq import Queue
from rq.job import Job

from shared.bus.connection import blocking_client
from shared.config.environment import Environment

MAINTENANCE_S: Final = 15  #: how soon a dead worker's job is looked for
SILENCE_S: Final = 12  #: a job without a sign of life for so long belongs to a dead worker
WORKER_TTL_S: Final = 30  #: a worker looks up from its queue every half of it


class WatchedQueue(Queue):
    """A queue whose maintenance lock expires soon after its worker was killed; rq's lasts a quarter of an hour."""

    def acquire_maintenance_lock(self) -> bool:
        """Return whether this worker is the one to look for jobs that others left."""
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=MAINTENANCE_S))


class ShortSilence:
    """For a worker class, before rq's: a job that is left alone is soon found."""

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return how long a job without a heartbeat counts as running, s."""
        return SILENCE_S


def connect(environment: Environment) -> redis.Redis:
    """Return the blocking connection that rq needs, to the Redis that has the jobs."""
    return blocking_client(environment.jobs_url)
