"""One worker process: it serves the destinations that the pool names, each in a thread of its own.

All of their attempts run on one event loop (`services.notifier.jobs`): while one waits for its other side, the others
go on.  What would hold up that loop for good ends the process, and the pool starts another.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import Final

from redis.exceptions import RedisError

from services.notifier.deliverer.worker import DestinationThread, wake
from shared.config.environment import Environment
from shared.runtime.logging import configure_logging
from shared.runtime.watched_queue import connect

STOP_S: Final = 9.0  #: for jobs to be finished; the pool kills soon after
WAKE_S: Final = 0.1


def work(wanted: Connection, pools: Connection) -> None:
    """Serve what *wanted* brings, a set of destinations each time, until it is empty or the pool is gone."""
    pools.close()  # the copy that the fork brought: with it open, the pool's end would not be noticed
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the pool says when to stop
    environment = Environment()
    configure_logging(environment.log_level, environment.log_format)
    logging.getLogger("rq").setLevel(logging.WARNING)
    threads: dict[str, DestinationThread] = {}
    try:
        while names := wanted.recv():
            stop([threads.pop(name) for name in threads.keys() - names], environment, seconds=0.0)
            for name in sorted(names - threads.keys()):
                threads[name] = DestinationThread(name, environment)
                threads[name].start()
    except EOFError:
        os._exit(1)  # killed with the deliverer: the next one finds the open attempts
    stop(threads.values(), environment, seconds=STOP_S)


def stop(threads: Iterable[DestinationThread], environment: Environment, *, seconds: float) -> None:
    """Ask *threads* to end, and wait for it up to *seconds*."""
    left, deadline = list(threads), time.monotonic() + seconds
    for thread in left:
        thread.stop()
    connection = connect(environment)
    while left:
        with contextlib.suppress(RedisError, OSError):
            wake(connection, {thread.name for thread in left})
        if time.monotonic() >= deadline:
            break
        left[0].join(WAKE_S)
        left = [thread for thread in left if thread.alive]
    connection.close()
