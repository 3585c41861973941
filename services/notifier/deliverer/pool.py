"""The worker processes: one for each destination, so that one that hangs delays no other."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.context import ForkServerProcess
from typing import Final

import structlog

from services.notifier.deliverer.worker_main import work

RESTART_S: Final = 3.0  #: between two starts of one destination's worker
STOP_S: Final = 10.0  #: for workers to finish their job

log = structlog.get_logger()


class WorkerPool:
    """The worker processes, by destination."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["services.notifier.deliverer.worker"])
        self._workers: dict[str, ForkServerProcess] = {}
        self._started: dict[str, float] = {}

    def ensure(self, destinations: set[str]) -> None:
        """Start missing and dead workers, stop those of removed destinations."""
        for name in list(self._workers):
            if name not in destinations:
                self._workers.pop(name).terminate()
            elif not self._workers[name].is_alive():
                log.warning("a worker has died", destination=name, code=self._workers[name].exitcode)
                del self._workers[name]
        now = time.monotonic()
        for name in sorted(destinations - self._workers.keys()):
            if now - self._started.get(name, -RESTART_S) < RESTART_S:
                continue
            self._started[name] = now
            self._workers[name] = self._context.Process(target=work, args=(name,), daemon=True)
            self._workers[name].start()

    def stop(self) -> None:
        """Let the workers finish; kill those that hang."""
        for process in self._workers.values():
            process.terminate()
        for process in self._workers.values():
            process.join(STOP_S)
            if process.is_alive():
                process.kill()
                process.join(1.0)

    def pids(self) -> dict[str, int | None]:
        return {name: process.pid for name, process in self._workers.items()}
