"""Runs processes on this machine: restarts those that die, passes on their output, leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from services.terminal.local.processes.forker import Forker, ForkError
from services.terminal.local.processes.linux import die_with_parent

ROOT: Final = Path(__file__).resolve().parents[4]
STOP_SECONDS: Final = 10.0  #: between SIGTERM and SIGKILL
SHORTEST_BACKOFF: Final = 0.25
LONGEST_BACKOFF: Final = 15.0
SOUND_AFTER: Final = 20.0  #: a process that lived this long starts again without delay
LONGEST_LINE: Final = 1 << 20
LAST_LINES: Final = 50
REFUSED: Final = 2  #: exit code of a program that cannot use its arguments or its configuration
PRIVATE: Final = 0o077  #: umask: what the processes write may hold secrets

Listener = Callable[[str, str], None]  #: (process name, line)
Repair = Callable[[int, Sequence[str]], None]  #: (exit code, the last lines of a process that has ended)
AS_MODULE: Final = (sys.executable, "-m")  #: how the command line of what can be forked begins


class StartError(Exception):
    """A process could not be started; the text says which and why."""


class Process(Protocol):
    """What runs: a program (`subprocess.Popen`) or a fork."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, number: int, /) -> None: ...


@dataclass
class Child:
    """One supervised process, through all its restarts."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    restart: bool
    stop_signal: signal.Signals
    process: Process
    started: float
    repair: Repair | None = None
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES), repr=False)
    restarts: int = 0
    backoff: float = SHORTEST_BACKOFF
    stopping: bool = False
    refused: bool = False  #: it ended with `REFUSED` at its first start
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Keeps processes running; use it as an async context manager."""

    def __init__(self, listener: Listener, *, restart: bool = True, forker: Forker | None = None) -> None:
        """Report each line to *listener*; with a *forker*, which is closed in the end, services are its forks."""
        self._forker = forker
        self._listener = listener
        self._restart = restart
        self._children: dict[str, Child] = {}
        self._reaper: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        reaper = Path(__file__).with_name("reaper.py")
        self._reaper = subprocess.Popen(  # noqa: ASYNC220 it starts in milliseconds
            [sys.executable, "-I", "-S", str(reaper)], stdin=subprocess.PIPE, start_new_session=True
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        restart: bool | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        repair: Repair | None = None,
    ) -> int:
        """Start *argv* as *name* with *env* added to the environment; return its process id.

        *repair* is called before each restart, with how the process ended.
        Raises `StartError` when the name is taken or the program cannot be run.
        """
        if name in self._children:
            raise StartError(f"{name} is running already")
        wanted = self._restart if restart is None else restart
        whole = {**os.environ, **(env or {})}
        process, reader = await self._spawn(name, argv, whole)
        child = Child(name, tuple(argv), whole, wanted, stop_signal, process, time.monotonic(), repair)
        self._children[name] = child
        child.task = asyncio.create_task(self._watch(child, reader), name=f"supervise {name}")
        return process.pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send *number* to the process *name* itself, as an accident would."""
        self._children[name].process.send_signal(number)

    def pid(self, name: str) -> int:
        """Return the present process id of *name*."""
        return self._children[name].process.pid

    def alive(self, name: str) -> bool:
        """Return whether *name* runs at this moment."""
        child = self._children.get(name)
        return child is not None and child.process.poll() is None

    def restarts(self, name: str) -> int:
        """Return how often *name* was started again."""
        return self._children[name].restarts

    def refused(self, name: str) -> bool:
        """Return whether *name* ended at its first start because of its arguments or settings."""
        return self._children[name].refused

    def names(self) -> list[str]:
        """Return the names of all processes, in their starting order."""
        return list(self._children)

    async def stop(self, name: str, *, at_once: bool = False) -> None:
        """End *name*: its stop signal, then SIGKILL after a time; *at_once* begins with SIGKILL."""
        child = self._children[name]
        child.stopping = True
        _signal(child.process, signal.SIGKILL if at_once else child.stop_signal)
        tasks = {child.task} if child.task is not None else set()
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        if late:
            self._listener(name, "did not stop in time and is killed")
            _signal_group(child.process.pid, signal.SIGKILL)
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
        del self._children[name]

    async def stop_all(self, names: Sequence[str], *, at_once: bool = False) -> None:
        """End several processes side by side, each as `stop` does."""
        await asyncio.gather(*(self.stop(name, at_once=at_once) for name in names if name in self._children))

    async def close(self) -> None:
        """End everything, and the reaper."""
        await self.stop_all(self.names())
        if self._forker is not None:
            self._forker.close()
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            await asyncio.to_thread(self._reaper.wait)
            self._reaper = None

    async def _spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> tuple[Process, int]:
        """Start *argv* as a fork where it is a module alone, else as a program; return it and its output's end."""
        reader, writer = os.pipe()
        try:
            process = await self._fork(argv, env, writer) or _program(argv, env, writer)
        except BaseException as error:
            os.close(reader)
            if isinstance(error, OSError):
                raise StartError(f"{name} cannot be started: {error}") from error
            raise
        finally:
            os.close(writer)
        self._tell_reaper("+", process.pid)
        return process, reader

    async def _fork(self, argv: Sequence[str], env: Mapping[str, str], writer: int) -> Process | None:
        """Return the fork that runs the module of *argv*; None where it has to be a program."""
        if self._forker is None or len(argv) != len(AS_MODULE) + 1 or tuple(argv[:-1]) != AS_MODULE:
            return None
        with contextlib.suppress(ForkError):
            return await self._forker.fork(argv[-1], env, writer)
        return None

    async def _watch(self, child: Child, reader: int) -> None:
        """Pass on the process's output until it ends, and start it again."""
        while True:
            saying = asyncio.create_task(self._listen(child, reader))
            code = await _exit_code(child.process)
            # its own children end with it, as they would in a container
            _signal_group(child.process.pid, signal.SIGKILL)
            self._tell_reaper("-", child.process.pid)
            await asyncio.wait({saying}, timeout=1.0)
            saying.cancel()
            if child.stopping or not child.restart:
                return
            if code == REFUSED and child.restarts == 0:
                child.refused = True
                self._listener(child.name, "ended (exit code 2: its arguments or settings are refused)")
                return
            if not await self._again(child, code):
                return
            if child.repair is not None:
                child.repair(code, tuple(child.last))
            reader = await self._respawn(child)

    async def _again(self, child: Child, code: int) -> bool:
        """Wait before the next start; return whether the process is to start again."""
        if time.monotonic() - child.started > SOUND_AFTER:
            child.backoff = SHORTEST_BACKOFF
        delay, child.backoff = child.backoff, min(LONGEST_BACKOFF, child.backoff * 2)
        self._listener(child.name, f"ended ({_cause(code)}); starts again in {delay:g} s")
        deadline = time.monotonic() + delay
        while time.monotonic() < deadline and not child.stopping:
            await asyncio.sleep(min(0.1, delay))
        return child.restart and not child.stopping

    async def _respawn(self, child: Child) -> int:
        child.process, reader = await self._spawn(child.name, child.argv, child.env)
        child.started = time.monotonic()
        child.last.clear()
        child.restarts += 1
        if child.stopping:  # asked meanwhile
            _signal(child.process, child.stop_signal)
        return reader

    async def _listen(self, child: Child, reader: int) -> None:
        stream = asyncio.StreamReader(limit=LONGEST_LINE)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reader, "rb", 0)
        )
        try:
            while line := await _line(stream):
                text = line.decode(errors="replace").rstrip()
                child.last.append(text)
                self._listener(child.name, text)
        finally:
            transport.close()

    def _tell_reaper(self, sign: str, pid: int) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._reaper.stdin.write(f"{sign}{pid}\n".encode())
                self._reaper.stdin.flush()


def _program(argv: Sequence[str], env: Mapping[str, str], writer: int) -> Process:
    return subprocess.Popen(
        list(argv),
        env=dict(env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
        umask=PRIVATE,
        start_new_session=True,  # Ctrl-C is for the supervisor, which stops them in order
        preexec_fn=die_with_parent,  # noqa: PLW1509 the supervisor forks from its only thread
    )


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # longer than the limit: the rest follows as a line of its own
        return b"(a line too long to show)\n"


async def _exit_code(process: Process) -> int:
    """Return the exit code once *process* has ended; a thread per process would not survive Ctrl-C."""
    await _end_of(process.pid)
    while (code := process.poll()) is None:
        await asyncio.sleep(0.02)
    return code


async def _end_of(pid: int) -> None:
    """Return when process *pid* has ended, or at once where the kernel cannot say so."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _signal(process: Process, number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
