"""The command line started from a shell: pipes, encodings, links, networks, closed terminals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.terminal.local import data_folder, listening
from services.terminal.local.processes import stopping
from tests.conftest import ROOT
from tests.patience import PATIENCE_S

COMMAND = [sys.executable, "-m", "services.terminal"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose data folder and config.yaml are the test's, and where Binance does not answer."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEVENGATE_")}
    return kept | {
        "SEVENGATE_DATA_DIR": str(tmp_path / "data"),
        "SEVENGATE_CONFIG": str(tmp_path / "config.yaml"),
        "SEVENGATE_BINANCE_REST_URL": "http://127.0.0.1:9",
    }


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture
def klines(tmp_path: Path) -> Path:
    """A file of 400 five-minute bars."""
    path = tmp_path / "BTCUSDT-5m.csv"
    rows = [f"{1_700_000_100_000 + n * 300_000},{100 + n % 7},120,90,{101 + n % 7},10" for n in range(400)]
    path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    "words", [["--help"], ["doctor"], ["doctor", "--json"], ["indicators", "FILE"], ["simulator", "--help"]]
)
def test_a_reader_that_goes_away_is_no_error(words: list[str], environment: dict[str, str], klines: Path) -> None:
    """`… | head -0`: no command prints a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [*COMMAND, *(str(klines) if word == "FILE" else word for word in words)]
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            argv, env=environment, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, timeout=240, check=False
        )
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipeError" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["doctor"], ["indicators", "FILE"], ["history", "--help"]])
def test_an_encoding_with_few_characters_is_no_error(
    words: list[str], environment: dict[str, str], klines: Path
) -> None:
    """What latin-1 lacks is escaped."""
    done = run(
        {**environment, "PYTHONIOENCODING": "latin-1"}, *(str(klines) if word == "FILE" else word for word in words)
    )
    assert "Traceback" not in done.stderr
    assert done.stdout


def test_lists_are_json_lines(environment: dict[str, str]) -> None:
    """`doctor --json` prints one object a line, as every list."""
    found = [json.loads(line) for line in run(environment, "doctor", "--json").stdout.splitlines()]
    assert {"verdict", "name", "detail"} <= set(found[0])
    assert len(found) > 5


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_proxy_that_does_not_serve_is_said(proxy: str, environment: dict[str, str]) -> None:
    """No traceback, in no command; the sentence says what to change."""
    environment |= {"ALL_PROXY": proxy, "SEVENGATE_BINANCE_REST_URL": "http://binance.test"}
    found = run(environment, "doctor")
    assert "Traceback" not in found.stderr + found.stdout
    assert "ALL_PROXY" in found.stdout if proxy.startswith("socks") else "cannot be reached" in found.stdout


def test_the_api_on_this_machine_is_asked_past_the_proxy(environment: dict[str, str]) -> None:
    """A proxy that is dead does not stand between the command line and the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment |= {
            "HTTP_PROXY": "http://127.0.0.1:9",
            "SEVENGATE_API_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
        }
        with subprocess.Popen([*COMMAND, "config", "get"], env=environment, cwd=ROOT, stdout=subprocess.PIPE) as asking:
            server.settimeout(PATIENCE_S)
            connection, _ = server.accept()
            with connection:
                assert connection.recv(4_096).startswith(b"GET /api/config ")
                connection.sendall(
                    b'HTTP/1.1 200 OK\r\nContent-Length: 24\r\nConnection: close\r\n\r\n{"value": {"a": "told"}}'
                )
            assert asking.communicate(timeout=PATIENCE_S)[0] == b"a: told\n"


def test_up_checks_config_before_anything_starts(environment: dict[str, str], tmp_path: Path) -> None:
    """A broken config.yaml ends `up` at once, with its line; no store was started."""
    (tmp_path / "config.yaml").write_text("thresholds:\n  scores: 70\n")
    done = run(environment, "up", "--anyway", "--no-browser")
    assert done.returncode == 1
    assert "config.yaml:2: thresholds.scores: there is no such setting" in done.stdout
    assert not (tmp_path / "data").exists()


def test_up_refuses_a_port_that_is_taken(environment: dict[str, str]) -> None:
    """`up` does not move silently: it says how to choose another port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run({**environment, "SEVENGATE_API_PORT": str(port)}, "up", "--anyway", "--no-browser")
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stdout
    assert "--port" in done.stdout


def test_a_second_demo_in_one_folder_promises_no_port(environment: dict[str, str], tmp_path: Path) -> None:
    """It is refused before it says on which port it would be."""
    with data_folder.claim(tmp_path / "data" / "demo", "http://127.0.0.1:8710"):
        done = run(environment, "demo", "--no-browser")
    assert done.returncode == 1
    assert "in use by process" in done.stdout
    assert "dashboard is on" not in done.stdout


def test_an_empty_recording_is_said_once(environment: dict[str, str], tmp_path: Path) -> None:
    """A simulator that refuses its arguments is not started again."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    environment["SEVENGATE_API_PORT"] = str(listening.free_port())
    done = run(environment, "demo", "--no-browser", "--replay", str(folder))
    assert done.returncode == 1
    assert " ".join(done.stdout.split()).count("holds neither parquet nor CSV files") == 1


def test_a_speed_that_nothing_keeps_up_with_is_refused(environment: dict[str, str]) -> None:
    """Above a thousand times the demo would stand still; lockstep goes as fast as can be."""
    done = run(environment, "demo", "--speed", "1e9")
    assert done.returncode == 2
    assert "1000" in done.stderr


@pytest.mark.parametrize("relative", [True, False])
def test_a_link_to_the_launcher_works(relative: bool, environment: dict[str, str], tmp_path: Path) -> None:
    """The launcher finds its project behind a link, and reads the project's .env."""
    project, folder = tmp_path / "project", tmp_path / "bin"
    (project / "scripts").mkdir(parents=True)
    folder.mkdir()
    shutil.copy(ROOT / "sevengate", project / "sevengate")
    (project / "scripts" / "setup.sh").write_text("")
    for name in ("services", "shared", ".venv", "pyproject.toml"):
        (project / name).symlink_to(ROOT / name)
    (project / ".env").write_text("SEVENGATE_API_PORT=nonsense\n")
    (folder / "sevengate").symlink_to("../project/sevengate" if relative else project / "sevengate")
    shell = {name: value for name, value in environment.items() if name != "SEVENGATE_CONFIG"}
    done = subprocess.run([str(folder / "sevengate"), "init"], env=shell, capture_output=True, text=True, check=False)
    assert "SEVENGATE_API_PORT" in done.stderr
    (project / ".env").unlink()
    done = subprocess.run([str(folder / "sevengate"), "init"], env=shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (project / "config.yaml").exists()


async def test_an_ignored_hangup_stays_ignored() -> None:
    """`nohup ./sevengate up &`: closing the terminal stops nothing; without nohup it does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with stopping.stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not await stopping.run_until(stop, 0.2, [])
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        async with stopping.stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert await stopping.run_until(stop, 5.0, [])
    finally:
        signal.signal(signal.SIGHUP, before)


def test_doctor_asks_the_exchange_through_the_proxy(environment: dict[str, str]) -> None:
    """With a proxy that serves, the command line goes the way the services go."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        environment |= {
            "HTTP_PROXY": f"http://127.0.0.1:{proxy.getsockname()[1]}",
            "SEVENGATE_BINANCE_REST_URL": "http://binance.test",
        }
        with subprocess.Popen([*COMMAND, "doctor"], env=environment, cwd=ROOT, stdout=subprocess.PIPE) as doctor:
            proxy.settimeout(PATIENCE_S)
            connection, _ = proxy.accept()
            with connection:
                assert connection.recv(4_096).startswith(b"GET http://binance.test/fapi/v1/ping ")
                connection.sendall(b"HTTP/1.1 451 Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            assert b"does not serve this region" in doctor.communicate(timeout=PATIENCE_S)[0]
