"""Forks services from a process that has imported what all of them need.

A fork starts in milliseconds, and its memory is this process's until it writes there.  Its standard input is a
socket: what comes first names the modules to import, then each request names a service (`Forker`, the other side).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from typing import Any, Final

from services.terminal.local.processes.linux import die_with_parent, show_as

LONGEST_REQUEST: Final = 1 << 20
PRIVATE: Final = 0o077  #: umask: what the services write may hold secrets


def main() -> None:
    """Import, serve requests, and in each forked process run the service that was asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asked = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    _import(json.loads(asked.recv(LONGEST_REQUEST)))
    request = ForkServer(asked).serve()
    if request is not None:
        sys.argv[:] = [request["module"]]
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _import(names: list[str]) -> None:
    """Import *names*; what is there then is left alone by the collector, which would write into its pages."""
    gc.disable()
    for name in names:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.enable()


class ForkServer:
    """The loop of the process that is forked."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._wake, self._woken = os.pipe()
        for end in (self._wake, self._woken):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)

    def serve(self) -> dict[str, Any] | None:
        """Fork on request; return the request in the forked process, None when the other side is gone."""
        while True:
            ready, _, _ = select.select([self._asked.fileno(), self._wake], [], [])
            if self._wake in ready:
                os.read(self._wake, 4_096)
            self._tell_ended()
            if self._asked.fileno() not in ready:
                continue
            data, descriptors, _, _ = socket.recv_fds(self._asked, LONGEST_REQUEST, 1)
            if not data:
                return None
            request = json.loads(data)
            parent, pid = os.getpid(), os.fork()
            if pid == 0:
                self._become(request, parent, *descriptors)
                return request  # type: ignore[no-any-return]
            for descriptor in descriptors:
                os.close(descriptor)
            self._tell(started=pid)

    def _tell_ended(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._tell(ended=pid, code=os.waitstatus_to_exitcode(status))

    def _tell(self, **fields: int) -> None:
        self._asked.send(json.dumps(fields).encode())

    def _become(self, request: dict[str, Any], parent: int, output: int) -> None:
        """Make this forked process what a new one would be: a session, signals, environment and output of its own."""
        die_with_parent()
        if os.getppid() != parent:  # it ended meanwhile
            os._exit(1)
        os.setsid()
        os.umask(PRIVATE)
        signal.set_wakeup_fd(-1)
        for number, action in (
            (signal.SIGCHLD, signal.SIG_DFL),
            (signal.SIGTERM, signal.SIG_DFL),
            (signal.SIGINT, signal.default_int_handler),
        ):
            signal.signal(number, action)
        self._asked.close()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, target)
        for descriptor in (nothing, output, self._wake, self._woken):
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["environment"])
        show_as([sys.executable, "-m", request["module"]])


if __name__ == "__main__":
    main()
