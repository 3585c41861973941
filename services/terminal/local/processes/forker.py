"""The supervisor's side of the fork server: asks for services, and knows which of them have ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from services.terminal.local.processes.linux import die_with_parent

ROOT: Final = Path(__file__).resolve().parents[4]
FORKSERVER: Final = "services.terminal.local.processes.forkserver"
LONGEST_ANSWER: Final = 4_096
#: with what they import, most of a service
SHARED: Final = ("shared.runtime.process", "shared.runtime.stage.loop", "httpx", "rq")


class ForkError(Exception):
    """The fork server cannot start a process: start it the ordinary way."""


class ForkedProcess:
    """A forked service, with as much of `subprocess.Popen` as the supervisor needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self.code

    def send_signal(self, number: int) -> None:
        """Send *number* unless it has ended."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Forker:
    """The fork server as a process, which imports *modules* meanwhile.

    Make it early and where no thread runs.  Its processes die with it; what asks for one then starts it as a program.
    """

    def __init__(self, modules: Sequence[str] = SHARED) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._waiting: deque[asyncio.Future[ForkedProcess]] = deque()
        self._forked: dict[int, ForkedProcess] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = True
        self._socket.send(json.dumps(modules).encode())
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", FORKSERVER],
                env={**os.environ, **one},  # no thread may run when it forks
                cwd=ROOT,
                stdin=theirs.fileno(),
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 made before there are threads
            )

    async def fork(self, module: str, environment: Mapping[str, str], output: int) -> ForkedProcess:
        """Return *module* running with *environment*, writing to the file descriptor *output*; raise `ForkError`."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._socket, self._read)
        request = json.dumps({"module": module, "environment": dict(environment)}).encode()
        try:
            if not self._open:
                raise OSError("it has ended")
            socket.send_fds(self._socket, [request], [output])
        except OSError as error:
            raise ForkError(f"the fork server does not take {module}: {error}") from error
        started: asyncio.Future[ForkedProcess] = self._loop.create_future()
        self._waiting.append(started)
        return await started

    def _read(self) -> None:
        try:
            data = self._socket.recv(LONGEST_ANSWER)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        answer = json.loads(data)
        if "started" in answer:
            process = self._forked[answer["started"]] = ForkedProcess(answer["started"])
            waiting = self._waiting.popleft()
            if waiting.cancelled():  # its caller has gone
                process.send_signal(signal.SIGKILL)
            else:
                waiting.set_result(process)
        elif (ended := self._forked.pop(answer["ended"], None)) is not None:
            ended.code = answer["code"]

    def _lost(self) -> None:
        """Note that the fork server is gone, and its processes with it."""
        self._hang_up()
        for process in self._forked.values():
            process.code = -signal.SIGKILL
        self._forked.clear()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(ForkError("the fork server has ended"))

    def _hang_up(self) -> None:
        if self._open and self._loop is not None:
            self._loop.remove_reader(self._socket)
        self._open = False
        self._socket.close()

    def close(self) -> None:
        """End the fork server, and what it has forked."""
        self._hang_up()
        self.process.kill()
        self.process.wait()
