"""Works through the waiting exports, one after another, and ends: `python -m services.api.exports.worker`."""

from __future__ import annotations

import asyncio
import os
import time

from rq import SimpleWorker, get_current_job
from rq.job import Job
from rq.serializers import JSONSerializer

from services.api.exports.jobs import ExportJobs, queue_of
from services.api.routes.signals import filters_of
from services.api.store import queries
from services.api.store.database import Database
from services.api.views.signals_csv import HEAD, lines
from shared.config.environment import Environment
from shared.runtime.watched_queue import connect


def export(filters: dict[str, str]) -> None:
    """Write the signals that fit *filters* to the file of the job that runs."""
    job = get_current_job()
    if job is None:
        raise RuntimeError("rq calls this, within a job")
    try:
        asyncio.run(_write(job, filters, Environment()))
    except Exception as error:
        _note(job, problem=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        raise


async def _write(job: Job, filters: dict[str, str], environment: Environment) -> None:
    path = ExportJobs(environment).path(str(job.id))
    part = path.with_suffix(".part")
    database = Database(environment.database_url.get_secret_value(), environment.market)
    await database.open()
    wanted = filters_of(filters)
    rows = 0
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(HEAD)
            async for batch in queries.every_signal(database, wanted, batch=5_000):
                file.write(lines(batch))
                rows += len(batch)
                _note(job, rows=rows)
            file.flush()
            os.fsync(file.fileno())
    finally:
        await database.close()
    part.replace(path)  # a file that is there is whole


def _note(job: Job, **found: object) -> None:
    job.meta |= {**found, "at": time.time()}
    job.save_meta()  # type: ignore[no-untyped-call]


def main() -> None:
    """Work until the queue is empty."""
    environment = Environment()
    with connect(environment) as connection:
        queue = queue_of(environment, connection)
        SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(
            burst=True, logging_level="WARNING"
        )


if __name__ == "__main__":
    main()
