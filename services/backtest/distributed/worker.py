"""An rq worker that analyses coin-months: `python -m services.backtest.distributed.worker`; Compose scales it.

A job's answer is the file of kept analyses that it writes; a worker that is killed loses the month it was at, which
another one takes up within seconds.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import redis
from redis.exceptions import RedisError
from rq import Worker
from rq.serializers import JSONSerializer

from services.backtest import coin_task
from services.backtest.coin_work import CoinTask
from services.backtest.recorded.observed import Settlements
from shared.config.environment import Environment
from shared.runtime.logging import configure_logging
from shared.runtime.watched_queue import MAINTENANCE_S, WORKER_TTL_S, ShortSilence, WatchedQueue, connect
from shared.settings import RuntimeSettings

MONITORING_S: Final = 3


class MonthWorker(ShortSilence, Worker):
    """Runs each job in a process of its own, whose memory goes with it."""


def queue_of(market: str, connection: redis.Redis) -> WatchedQueue:
    """Return the queue of coin-months of *market*."""
    return WatchedQueue(f"{market}.backtest", connection=connection, serializer=JSONSerializer)


def as_job(task: CoinTask) -> dict[str, Any]:
    """Return *task* as a JSON serializer can carry it; `task_of` reads it."""
    settled = task.settlements
    return {
        "symbol": task.symbol,
        "folder": str(task.folder),
        "kept": str(task.kept),
        "market": task.market,
        "settings": task.settings.model_dump(mode="json"),
        "first": task.first,
        "last": task.last,
        "end": task.end,
        "settlements": None if settled is None else [settled.at.tolist(), settled.rate.tolist()],
        "all_scores": task.all_scores,
        "has_bitcoin": task.has_bitcoin,
    }


def task_of(job: dict[str, Any]) -> CoinTask:
    """Return the task that `as_job` wrote."""
    settled = job["settlements"]
    own = {
        "folder": Path(job["folder"]),
        "kept": Path(job["kept"]),
        "settings": RuntimeSettings.model_validate(job["settings"]),
        "settlements": None if settled is None else Settlements(*(np.array(part, np.float64) for part in settled)),
    }
    return CoinTask(**(job | own), degraded={})


def analyse_month(job: dict[str, Any]) -> int:
    """Analyse and keep what the month's walk will ask for; return how many analyses were new."""
    return coin_task.prepare(task_of(job))


def main() -> None:
    """Work until stopped; a job that has begun is finished first."""
    environment = Environment()
    configure_logging(environment.log_level, environment.log_format)
    logging.getLogger("rq").setLevel(logging.WARNING)
    try:
        connection = connect(environment)
        worker = MonthWorker(
            [queue_of(environment.market, connection)],
            connection=connection,
            serializer=JSONSerializer,
            job_monitoring_interval=MONITORING_S,
            maintenance_interval=MAINTENANCE_S,
            worker_ttl=WORKER_TTL_S,
            log_job_description=False,
        )
        worker.work(logging_level="WARNING")
    except (RedisError, OSError) as error:
        sys.exit(f"sevengate: the bus does not answer: {error}")


if __name__ == "__main__":
    main()
