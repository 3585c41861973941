"""A Valkey that can be killed and come back as it was at an earlier moment, as a failover or a power cut leaves it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from services.terminal.local import stores
from tests.conftest import running


class GoingBack:
    """The server, which runs until *stack* is closed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._store, self._stack = stores.valkey(folder, durable=False), stack
        self.url = self._store.url
        self._start()

    def _start(self) -> None:
        self._process: subprocess.Popen[bytes] = self._stack.enter_context(running(self._store.argv))
        stores.wait_for_valkey(self.url)

    def remember(self) -> None:
        """Make this the moment to go back to."""
        with redis.Redis.from_url(self.url) as client:
            client.save()

    def go_back(self) -> None:
        """Lose everything since that moment."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._start()


@contextmanager
def going_back(folder: Path) -> Iterator[GoingBack]:
    """Run such a server while the block runs."""
    with ExitStack() as stack:
        yield GoingBack(folder, stack)
