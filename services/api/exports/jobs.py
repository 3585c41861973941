"""Exports that are too long to wait for: rq jobs, worked by a process beside the API that ends when none is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from shared.config.environment import Environment
from shared.runtime.watched_queue import connect

FUNCTION: Final = "services.api.exports.worker.export"
#: what the API knows of its other markets, and the worker of one need not
OF_ALL_MARKETS: Final = ("SEVENGATE_API_MARKETS", "SEVENGATE_API_REDIS_URLS", "SEVENGATE_API_REDIS_URLS_FILE")
MOST_WAITING: Final = 3
KEPT_S: Final = 86_400
LONGEST_S: Final = 3_600
SILENT_S: Final = 120.0  #: a job that has written nothing for so long was interrupted
STATUS: Final = {"queued": "waiting", "deferred": "waiting", "scheduled": "waiting", "started": "running"}


class TooManyExports(Exception):  # noqa: N818 - an answer, not a fault
    """Enough exports are waiting."""


def queue_of(environment: Environment, connection: redis.Redis) -> Queue:
    return Queue(f"{environment.market}.exports", connection=connection, serializer=JSONSerializer)


class ExportJobs:
    """Begins exports and says how far they are."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._folder = environment.data_dir / "exports"

    def path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.csv"

    async def begin(self, filters: dict[str, str], total: int) -> str:
        """Put a job into the queue and start a worker; return its id.  Raises `TooManyExports`."""
        job_id = await asyncio.to_thread(self._enqueue, filters, total)
        environment = self._environment
        own = {
            "SEVENGATE_REDIS_URL": environment.redis_url,
            "SEVENGATE_JOBS_REDIS_URL": environment.jobs_redis_url,
            "SEVENGATE_DATABASE_URL": environment.database_url.get_secret_value(),
            "SEVENGATE_DATA_DIR": str(environment.data_dir),
            "SEVENGATE_MARKET": environment.market,
            **dict.fromkeys(OF_ALL_MARKETS, ""),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.api.exports.worker"), env=os.environ | own, start_new_session=True
        )
        task = asyncio.ensure_future(process.wait())  # so that it leaves no zombie
        _running.add(task)
        task.add_done_callback(_running.discard)
        return job_id

    def _enqueue(self, filters: dict[str, str], total: int) -> str:
        self._forget_old()
        with connect(self._environment) as connection:
            queue = queue_of(self._environment, connection)
            if queue.count >= MOST_WAITING:
                raise TooManyExports(f"{MOST_WAITING} exports are waiting already: ask again when one is done")
            job = queue.enqueue(
                FUNCTION,
                args=(filters,),
                meta={"rows": 0, "total": total, "at": time.time()},
                job_timeout=LONGEST_S,
                result_ttl=KEPT_S,
                failure_ttl=KEPT_S,
            )
            return str(job.id)

    def _forget_old(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > KEPT_S:
                    path.unlink()

    async def find(self, job_id: str) -> dict[str, Any] | None:
        """Return status, rows, total and problem of a job, None where there is none."""
        return await asyncio.to_thread(self._find, job_id)

    def _find(self, job_id: str) -> dict[str, Any] | None:
        with connect(self._environment) as connection:
            try:
                job = Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
            except NoSuchJobError:
                return None
            status = str(job.get_status().value)
            meta = job.get_meta()
        shown = {"rows": meta["rows"], "total": meta["total"], "problem": ""}
        if self.path(job_id).is_file():
            return shown | {"status": "done"}
        if status in STATUS and time.time() - meta["at"] < SILENT_S:
            return shown | {"status": STATUS[status]}
        return shown | {"status": "failed", "problem": meta.get("problem") or "it was interrupted: ask again"}


_running: set[asyncio.Task[int]] = set()
