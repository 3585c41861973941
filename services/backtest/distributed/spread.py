"""`--workers rq`: coin-months are analysed by rq workers first; the walk that follows finds them kept.

Nothing depends on a job: what no worker analysed, the walk does.  So the figures are those of local processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from redis.exceptions import RedisError
from rq import Retry, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from services.backtest.coin_work import CoinTask, months
from services.backtest.distributed.worker import as_job, queue_of
from services.backtest.kept import asked_of_analysis
from services.backtest.recorded.survey import CoinSurvey
from services.backtest.request import RequestError
from services.backtest.run import BacktestPlan, Progress, tasks_of
from shared.config.environment import Environment
from shared.runtime.watched_queue import WatchedQueue, connect
from shared.settings import RuntimeSettings

FUNCTION: Final = "services.backtest.distributed.worker.analyse_month"
RETRIES: Final = 3  #: of a job whose worker was killed
LONGEST_S: Final = 3_600  #: of a job
KEPT_S: Final = 3_600
LOOK_S: Final = 0.3
NO_WORKERS: Final = (
    "--workers rq: no worker waits for coin-months; start some on what shares these folders, such as"
    " `docker compose --profile backtest up -d --scale worker=4`"
)


class NoWorkersError(RequestError):
    """Nobody would take the jobs."""


def spread(
    plan: BacktestPlan,
    settings: Sequence[RuntimeSettings],
    coins: Sequence[CoinSurvey],
    environment: Environment,
    progress: Progress,
) -> list[str]:
    """Let rq workers analyse what *plan* needs under each of *settings*; return what there is to say of it.

    Raises `NoWorkersError`, and `RequestError` where the bus does not answer.  A run that is broken off takes back the
    jobs that have not begun.
    """
    try:
        with connect(environment) as connection:
            queue = queue_of(environment.market, connection)
            if not Worker.count(queue=queue):
                raise NoWorkersError(NO_WORKERS)
            asked = list(_months(plan, settings, coins))
            waiting = {job.id: job for job in (_enqueue(queue, task) for task in asked)}
            try:
                left = _wait(queue, waiting, len(asked), progress)
            finally:
                _take_back(waiting.values())
    except RedisError as error:
        raise RequestError(f"--workers rq: the bus does not answer: {error}") from error
    return [f"{left} of {len(asked)} coin-months were left to this process: see the workers' logs"] if left else []


def _months(plan: BacktestPlan, settings: Sequence[RuntimeSettings], coins: Sequence[CoinSurvey]) -> Iterator[CoinTask]:
    """Yield a task for each coin, month and kind of analysis."""
    kinds = {f"{asked_of_analysis(one)} {one.thresholds} {one.symbol_thresholds}": one for one in settings}
    ends = {coin.symbol: coin.end for coin in coins}
    for one in kinds.values():
        for task in tasks_of(replace(plan, settings=one), coins).values():
            for scans in months(task.first, min(task.last, ends[task.symbol])):
                yield replace(task, first=scans[0], last=scans[-1])


def _enqueue(queue: WatchedQueue, task: CoinTask) -> Job:
    return queue.enqueue(
        FUNCTION,
        args=(as_job(task),),
        retry=Retry(max=RETRIES),
        job_timeout=LONGEST_S,
        result_ttl=KEPT_S,
        failure_ttl=KEPT_S,
        description=f"{task.symbol} from {task.first}",
    )


def _wait(queue: WatchedQueue, waiting: dict[str, Job], total: int, progress: Progress) -> int:
    """Wait for the jobs, which leave *waiting* as they end; return how many brought nothing."""
    started, failed = StartedJobRegistry(queue=queue), 0
    while waiting:
        started.cleanup()  # a killed worker's job goes to another one
        found = Job.fetch_many(list(waiting), queue.connection, serializer=JSONSerializer)
        for job_id, job in zip(list(waiting), found, strict=True):
            status = job.get_status(refresh=False) if job is not None else JobStatus.FAILED
            if status in (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED):
                failed += status != JobStatus.FINISHED
                del waiting[job_id]
        progress("coin-months", total - len(waiting), total)
        if waiting and not Worker.count(queue=queue):
            return failed + len(waiting)
        if waiting:
            time.sleep(LOOK_S)
    return failed


def _take_back(jobs: Iterable[Job]) -> None:
    """Remove jobs that no worker has begun; one that has is finished and kept."""
    for job in jobs:
        with suppress(NoSuchJobError, InvalidJobOperation):
            if job.get_status() == JobStatus.QUEUED:
                job.delete()
