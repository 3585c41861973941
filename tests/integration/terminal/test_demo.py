"""The demo as a person starts it, and the commands that find it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from services.terminal.stores import free_port
from services.terminal.supervisor import die_with_parent
from tests.conftest import ROOT

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(180)]
READY = re.compile(rb"Sevengate is at (http://127\.0\.0\.1:\d+)")


@dataclass
class Demo:
    """A running demo."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    log: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the launcher beside the demo."""
        return subprocess.run(
            [sys.executable, "-m", "services.terminal", *words],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of twenty coins in a folder and at a port of its own."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEVENGATE_")}
    environment |= {"SEVENGATE_DATA_DIR": str(folder / "data"), "SEVENGATE_API_PORT": str(free_port())}
    argv = [sys.executable, "-m", "services.terminal", "demo", "--no-browser", "--symbols", "20"]
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            argv, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            preexec_fn=die_with_parent,  # noqa: PLW1509 a killed test run leaves nothing behind
        )  # fmt: skip
    started = Demo(process, environment, log)
    try:
        wait_for(started, lambda: READY.search(log.read_bytes()) and b"settled" in log.read_bytes())
        yield started
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def wait_for(demo: Demo, reached: object, seconds: float = 90) -> None:
    """Return when *reached* is true; fail with the log when the demo ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not reached():  # type: ignore[operator]
        if demo.process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(demo.log.read_text(errors="replace")[-4_000:])
        time.sleep(0.1)


def test_explain_shows_the_seven_gates_of_a_coin(demo: Demo) -> None:
    """`explain` finds the API of the demo by its folder and tells every gate."""
    wait_for(demo, lambda: demo.run("explain", "BTCUSDT").returncode == 0)
    told = json.loads(demo.run("explain", "BTCUSDT", "--json").stdout)
    assert [gate["gate"] for gate in told["gates"]] == [
        "score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence",
    ]  # fmt: skip


def test_a_setting_is_changed_while_it_runs(demo: Demo) -> None:
    """What `config set` sets, `config get` reads; nonsense is refused and changes nothing."""
    assert demo.run("config", "set", "thresholds.score", "71").returncode == 0
    refused = demo.run("config", "set", "thresholds.score", "nonsense")
    assert refused.returncode == 1
    assert "thresholds.score" in refused.stderr
    assert demo.run("config", "get", "thresholds.score").stdout.strip() == "71.0"


def test_a_sample_alert_arrives(demo: Demo) -> None:
    """`test-alert` says what became of the sample at each destination."""
    answer = demo.run("test-alert", "demo")
    assert answer.returncode == 0, answer.stderr
    assert "sent" in answer.stdout
    refused = demo.run("test-alert", "nobody")
    assert refused.returncode == 2
    assert "nobody" in refused.stderr


def test_the_bus_can_be_looked_at(demo: Demo) -> None:
    """`peek` shows settled scans and takes nothing; there are no dead letters."""
    lines = demo.run("peek", "scans", "--json").stdout.splitlines()
    assert any(json.loads(line)["type"] == "scan_settled/1" for line in lines)
    assert "there are none" in demo.run("dead-letters", "list").stdout
    refused = demo.run("peek", "nothing")
    assert refused.returncode == 1
    assert "snapshots" in refused.stderr


def test_ctrl_c_leaves_no_process_behind(demo: Demo) -> None:
    """An interrupt ends everything, says so by its exit code, and frees the folder."""
    children = psutil.Process(demo.process.pid).children(recursive=True)
    assert len(children) > 6
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(30) in {0, 130}
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    gone = demo.run("peek", "scans")
    assert gone.returncode == 1
    assert "nothing runs here" in gone.stderr
