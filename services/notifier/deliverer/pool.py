"""The worker processes: each serves a few destinations, so that what breaks one process leaves most of the others."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, ForkProcess
from typing import Final

import structlog

from services.notifier.deliverer.worker_main import work

EACH: Final = 16  #: destinations of one process
RESTART_S: Final = 3.0  #: from the death of a process to the next start
STOP_S: Final = 10.0  #: for processes to finish their jobs

log = structlog.get_logger()


@dataclass
class WorkerProcess:
    """One process, and what it serves."""

    process: ForkProcess
    wanted: Connection  #: takes the set of its destinations; an empty one ends it
    names: set[str] = field(default_factory=set)

    def serve(self, names: set[str]) -> None:
        """Have it serve *names*; where it has just died, the next look finds that."""
        self.names = names
        try:
            self.wanted.send(names)
        except OSError:
            return


class WorkerPool:
    """The worker processes; its own process has no threads, so that it can fork."""

    def __init__(self, *, each: int = EACH) -> None:
        self._context = ForkContext()
        self._each = each
        self._workers: list[WorkerProcess] = []
        self._not_before = 0.0

    def ensure(self, destinations: set[str]) -> None:
        """Have each of *destinations* served by one process, and no other; start what has died."""
        self._bury()
        for worker in list(self._workers):
            if kept := worker.names & destinations:
                if kept != worker.names:
                    worker.serve(kept)
            else:
                worker.serve(set())
                self._workers.remove(worker)
        served = {name for worker in self._workers for name in worker.names}
        self._place(sorted(destinations - served))

    def _bury(self) -> None:
        """Forget the processes that have died."""
        for worker in list(self._workers):
            if not worker.process.is_alive():
                names = sorted(worker.names)
                log.warning("a worker process has died", destinations=names, code=worker.process.exitcode)
                worker.wanted.close()
                self._workers.remove(worker)
                self._not_before = time.monotonic() + RESTART_S

    def _place(self, names: list[str]) -> None:
        """Give *names* to the processes with room, and start further ones for the rest."""
        for worker in self._workers:
            taken, names = names[: self._each - len(worker.names)], names[self._each - len(worker.names) :]
            if taken:
                worker.serve(worker.names | set(taken))
        while names and time.monotonic() >= self._not_before:
            taken, names = names[: self._each], names[self._each :]
            self._workers.append(self._start())
            self._workers[-1].serve(set(taken))

    def _start(self) -> WorkerProcess:
        theirs, ours = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(theirs, ours), name="worker")
        process.start()
        theirs.close()
        return WorkerProcess(process, ours)

    def stop(self) -> None:
        """Let the workers finish; kill those that hang."""
        for worker in self._workers:
            worker.serve(set())
        deadline = time.monotonic() + STOP_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(1.0)
