"""The process that forks the workers: it has imported what they need, and has no threads.

The deliverer forks it before it has threads of its own, so that all of them share what the deliverer had imported.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext
from typing import TYPE_CHECKING, Final

from shared.network.authorities import trusted

if TYPE_CHECKING:
    from services.notifier.deliverer.pool import WorkerPool

STOP_S: Final = 12.0  #: for the pool to end; it kills its workers before

#: what jobs and channels load when first used
PRELOADED: Final = (
    "services.notifier.jobs",
    "shared.sending.connecting",
    "shared.sending.http",
    "httpcore",
    "anyio._backends._asyncio",
    "shared.sending.templates",
    "aiosmtplib",
    "standardwebhooks",
    "telegram",
)


class PoolGoneError(Exception):
    """The pool's process has died: the deliverer has to begin anew, as it may not fork any more."""


class PoolProcess:
    """The pool, as the deliverer sees it."""

    def __init__(self) -> None:
        """Fork it: only while this process has one thread."""
        context = ForkContext()
        theirs, self._wanted = context.Pipe(duplex=False)
        self.process = context.Process(target=keep_pool, args=(theirs, self._wanted), name="pool")
        self.process.start()
        theirs.close()

    def ensure(self, destinations: frozenset[str]) -> None:
        """Have *destinations* served, and no others; raise `PoolGoneError`."""
        try:
            self._wanted.send(destinations)
        except OSError as error:
            raise PoolGoneError(f"the pool has died: exit code {self.process.exitcode}") from error

    def stop(self) -> None:
        """Let the workers finish, and end."""
        with contextlib.suppress(OSError):
            self._wanted.send(None)
        self.process.join(STOP_S)
        if self.process.is_alive():
            self.process.kill()


def keep_pool(wanted: Connection, deliverers: Connection) -> None:
    """Import, freeze what is there, and keep a worker for each destination that *wanted* brings, until None comes."""
    deliverers.close()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the deliverer says when to stop
    pool = _pool()
    try:
        while (destinations := wanted.recv()) is not None:
            pool.ensure(set(destinations))
    except EOFError:
        os._exit(1)  # the deliverer was killed: the workers see that this process ends, and end
    pool.stop()


def _pool() -> WorkerPool:
    """Load what workers need, for which the first alert of each would wait 90 ms.

    The collector leaves it alone, or it would write into the pages that they share.
    """
    gc.disable()
    for name in PRELOADED:
        importlib.import_module(name)
    trusted()
    from services.notifier.deliverer.pool import WorkerPool  # noqa: PLC0415 the deliverer itself needs none of it

    gc.collect()
    gc.freeze()
    gc.enable()
    return WorkerPool()
