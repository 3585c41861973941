"""The fork server: services begin as forks, and behave as programs do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from services.terminal.local.processes.forker import Forker
from services.terminal.local.processes.supervisor import Supervisor
from tests.integration.terminal.test_supervisor import Lines, gone
from tests.patience import until

WORKER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
import shared_by_all
print("up", shared_by_all.pid, os.environ["WHO"], os.getsid(0), len(sys.argv), file=sys.stderr, flush=True)
time.sleep(600)
"""


@pytest.fixture
async def forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Supervisor, Lines, Forker]]:
    """A supervisor over a fork server that has imported a module of ours, and can run two others."""
    (tmp_path / "shared_by_all.py").write_text("import os\npid = os.getpid()\n")
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "broken.py").write_text("raise SystemExit(3)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lines, forker = Lines(), Forker(["shared_by_all"])
    async with Supervisor(lines, forker=forker) as supervisor:
        yield supervisor, lines, forker


def module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def said(lines: Lines, text: str, times: int = 1) -> Callable[[], bool]:
    return lambda: lines.count(text) == times


async def test_a_service_is_a_fork_with_its_own_session_environment_and_title(
    forked: tuple[Supervisor, Lines, Forker],
) -> None:
    """It has what the fork server imported, and looks like a program of its own."""
    supervisor, lines, forker = forked
    pid = await supervisor.start("worker", module("worker"), {"WHO": "one"})
    await until(said(lines, "up"))
    assert lines.said == [("worker", f"up {forker.process.pid} one {pid} 1")]
    assert psutil.Process(pid).ppid() == forker.process.pid
    shown = [word for word in psutil.Process(pid).cmdline() if word]
    assert shown == [sys.executable, "-m", "worker"]


async def test_a_fork_stops_and_starts_again_as_a_program_does(forked: tuple[Supervisor, Lines, Forker]) -> None:
    """Killed, it comes back; told to stop, it ends; its exit code is known."""
    supervisor, lines, _ = forked
    first = await supervisor.start("worker", module("worker"), {"WHO": "one"})
    await supervisor.start("broken", module("broken"))
    await until(said(lines, "up"))
    supervisor.kill("worker", signal.SIGKILL)
    await until(said(lines, "up", 2))
    assert supervisor.pid("worker") != first
    assert lines.count("SIGKILL") == 1
    await until(lambda: lines.count("(exit code 3)") >= 1)
    await supervisor.stop("worker")
    assert lines.count("did not stop in time") == 0


async def test_what_a_dead_fork_server_takes_along_starts_again_as_a_program(
    forked: tuple[Supervisor, Lines, Forker],
) -> None:
    """No service depends on it: the kernel ends its forks, and the supervisor starts programs in their place."""
    supervisor, lines, forker = forked
    pid = await supervisor.start("worker", module("worker"), {"WHO": "one"})
    await until(said(lines, "up"))
    os.kill(forker.process.pid, signal.SIGKILL)
    await until(said(lines, "up", 2))
    assert gone(pid)
    assert psutil.Process(supervisor.pid("worker")).ppid() == os.getpid()
