"""The supervisor restarts what dies and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.terminal.local.listening import free_port
from services.terminal.local.processes.supervisor import ROOT, StartError, Supervisor
from services.terminal.local.stack import LocalStack, LocalStackError, Plan
from tests.patience import until

FOREVER = "import time\nprint('up', flush=True)\ntime.sleep(600)"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{FOREVER}"
WITH_CHILD = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    f"print(child.pid, flush=True)\n{FOREVER}"
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True


class Lines:
    """What the processes said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.said.append((name, line))

    def count(self, text: str) -> int:
        return sum(text in line for _, line in self.said)


async def test_what_is_killed_starts_again() -> None:
    """A killed process comes back under its name with another process id."""
    lines = Lines()
    async with Supervisor(lines) as supervisor:
        first = await supervisor.start("worker", python(FOREVER))
        await until(lambda: lines.count("up") == 1)
        supervisor.kill("worker", signal.SIGKILL)
        await until(lambda: lines.count("up") == 2)
        assert supervisor.pid("worker") != first
        assert supervisor.restarts("worker") == 1
    assert lines.count("SIGKILL") == 1


async def test_what_dies_at_once_waits_longer_each_time() -> None:
    """The pauses double, so that a broken service does not fill the log."""
    lines = Lines()
    async with Supervisor(lines) as supervisor:
        await supervisor.start("broken", python("raise SystemExit(3)"))
        await until(lambda: supervisor.restarts("broken") >= 2)
    assert [lines.count(f"(exit code 3); starts again in {pause} s") for pause in ("0.25", "0.5")] == [1, 1]


async def test_a_process_that_never_lives_is_not_waited_for(tmp_path: Path) -> None:
    """The stack says within seconds which service ends as soon as it starts."""
    lines = Lines()
    async with Supervisor(lines) as supervisor:
        local = LocalStack(Plan(tmp_path, tmp_path / "config.yaml", api_port=free_port()), supervisor, say=print)
        await supervisor.start("api", python("raise SystemExit('SEVENGATE_API_PORT is nonsense')"))
        with pytest.raises(LocalStackError, match="the api ends as soon as it starts"):
            await local.wait_for_answer(f"{local.api_url}/health", "api", seconds=30.0)
    assert lines.count("SEVENGATE_API_PORT is nonsense") >= 1


async def test_restarting_can_be_switched_off() -> None:
    """With the restart policy off, what dies stays dead."""
    async with Supervisor(Lines(), restart=False) as supervisor:
        await supervisor.start("worker", python(FOREVER))
        supervisor.kill("worker")
        await until(lambda: not supervisor.alive("worker"))
        await asyncio.sleep(0.5)
        assert supervisor.restarts("worker") == 0


async def test_what_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM first, SIGKILL after a time."""
    monkeypatch.setattr("services.terminal.local.processes.supervisor.STOP_SECONDS", 0.5)
    lines = Lines()
    async with Supervisor(lines) as supervisor:
        pid = await supervisor.start("stubborn", python(STUBBORN))
        await until(lambda: lines.count("up") == 1)
        await supervisor.stop("stubborn")
        assert gone(pid)


async def test_a_process_takes_its_children_along() -> None:
    """When a process is killed, what it had started does not live on."""
    lines = Lines()
    async with Supervisor(lines, restart=False) as supervisor:
        await supervisor.start("parent", python(WITH_CHILD))
        await until(lambda: lines.count("up") == 1)
        child = int(lines.said[0][1])
        supervisor.kill("parent")
        await until(lambda: gone(child))


async def test_names_and_programs_are_checked() -> None:
    """A name that runs already and a program that does not exist are refused."""
    async with Supervisor(Lines()) as supervisor:
        await supervisor.start("worker", python(FOREVER))
        with pytest.raises(StartError, match="running already"):
            await supervisor.start("worker", python(FOREVER))
        with pytest.raises(StartError, match="cannot be started"):
            await supervisor.start("other", ["/no/such/program"])


def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    """SIGKILL on the supervisor ends its processes and theirs, within seconds."""
    script = f"""
import asyncio, json, sys
from services.terminal.local.processes.supervisor import Supervisor
async def main():
    said = []
    async with Supervisor(lambda name, line: said.append(line)) as supervisor:
        pid = await supervisor.start("parent", [sys.executable, "-c", {WITH_CHILD!r}])
        while len(said) < 2:
            await asyncio.sleep(0.02)
        print(json.dumps([pid, int(said[0])]), flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        pids = json.loads(process.stdout.readline())
        assert not any(gone(pid) for pid in pids)
        process.kill()
    deadline = time.monotonic() + 50
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
