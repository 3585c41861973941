"""Puts back jobs that a worker took from its queue and died before starting.

rq moves a job's id to a list beside the queue, and registers the job as started a moment later.  rq itself
looks for jobs that a killed worker left there only after a minute, and after fifteen if it was killed
during that search.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

import redis
from rq import Queue
from rq.serializers import JSONSerializer

GRACE_S: Final = 5.0  #: a worker that lives begins within milliseconds

_PUT_BACK_LUA: Final = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
return redis.call('LPUSH', KEYS[2], ARGV[1])
"""


class OrphanedJobs:
    """Remembers the jobs in the lists beside the queues, and since when."""

    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection
        self._put_back = connection.register_script(_PUT_BACK_LUA)
        self._seen: dict[tuple[str, str], float] = {}

    def put_back(self, names: Iterable[str]) -> int:
        """Put jobs that were beside the queues *names* for longer than the grace back; return how many."""
        lying: dict[tuple[str, str], Queue] = {}
        for name in names:
            queue = Queue(name, connection=self._connection, serializer=JSONSerializer)
            if job_ids := queue.intermediate_queue.get_job_ids():
                begun = set(queue.started_job_registry.get_job_ids(cleanup=False))
                lying |= {(name, job_id): queue for job_id in job_ids if job_id not in begun}
        now = time.monotonic()
        self._seen = {key: self._seen.get(key, now) for key in lying}
        dead = [key for key, since in self._seen.items() if now - since >= GRACE_S]
        for name, job_id in dead:
            queue = lying[name, job_id]
            self._put_back(keys=[queue.intermediate_queue_key, queue.key], args=[job_id])
        return len(dead)
