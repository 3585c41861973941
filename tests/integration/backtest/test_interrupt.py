"""Ctrl-C while several processes work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from services.backtest.run import _deaf_children
from tests.conftest import ROOT
from tests.unit.backtest.bars import frames, write

SECONDS = 120.0


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "asked", [["backtest", "--all-scores"], ["tune", "--vary", "thresholds.score=60", "--folds", "1"]]
)
def test_workers_end_without_a_word(tmp_path: Path, asked: list[str]) -> None:
    """The whole process group gets the signal; the command says one sentence, answers 130 and leaves nobody behind."""
    process = _started(tmp_path, asked)
    workers = _workers_of(process)
    os.killpg(process.pid, signal.SIGINT)
    _ends(process, workers)


@pytest.mark.timeout(300)
def test_a_service_manager_ends_the_workers(tmp_path: Path) -> None:
    """SIGTERM, which only the command gets, does the same."""
    process = _started(tmp_path, ["backtest", "--all-scores"])
    workers = _workers_of(process)
    process.terminate()
    _ends(process, workers)


def _started(tmp_path: Path, asked: list[str]) -> subprocess.Popen[str]:
    """Return *asked* over bars of two coins, with two workers."""
    folder = write(tmp_path / "bars", {name: frames(4, 56)[name] for name in ("BTCUSDT", "SOLUSDT")})
    environment = {**os.environ, "SEVENGATE_DATA_DIR": str(tmp_path), "SEVENGATE_CONFIG": str(tmp_path / "none.yaml")}
    words = ["-m", "services.terminal", *asked, "--bars", str(folder), "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True
    )


def _ends(process: subprocess.Popen[str], workers: list[psutil.Process]) -> None:
    """Wait until the command has ended; see that it says so and leaves no worker behind."""
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "the same command goes on from there" in " ".join(said.split())
    assert "Traceback" not in said
    assert not any(worker.is_running() for worker in workers)


def _workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the two workers as soon as they are there."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        children = psutil.Process(process.pid).children()
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        if len(workers) == 2:
            return workers
        time.sleep(0.05)
    raise AssertionError("no workers")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to", ["thread", "process"])
def test_a_stop_while_workers_start_is_not_lost(to: str, number: signal.Signals) -> None:
    """It waits until they have started, none left with half of its input; another thread may take the signal."""
    signal.signal(number, signal.default_int_handler)  # a run in the background inherits that Ctrl-C is ignored
    reached = []

    def start() -> None:
        with _deaf_children():
            if to == "thread":
                signal.pthread_kill(threading.get_ident(), number)
            else:
                os.kill(os.getpid(), number)
                time.sleep(0.1)  # whichever thread takes it has by now
            reached.append("the end of the block")

    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        ended.set()
        other.join()
    assert reached
