"""deploy/redis.sh: an append-only file that Redis will never load is set aside; every other one is left alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "redis.sh"


def start(folder: Path, server: str, *, file_is_valid: bool) -> subprocess.Popen[str]:
    """Run the script over *folder* with *server*, a shell command, in Redis' place."""
    (folder / "data" / "appendonlydir").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "appendonlydir" / "appendonly.aof.manifest").touch()
    checker = folder / "redis-check-aof"
    checker.write_text(f"#!/bin/sh\nexit {0 if file_is_valid else 1}\n")
    checker.chmod(0o755)
    return subprocess.Popen(
        ["sh", str(SCRIPT), str(folder / "data"), "sh", "-c", server],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def left(folder: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (folder / "data").iterdir())


def test_a_broken_file_is_set_aside_and_one_is_kept(tmp_path: Path) -> None:
    """After the start that failed on it the folder is gone from its place; of several only the newest remains."""
    (tmp_path / "data" / "appendonlydir.broken-earlier").mkdir(parents=True)
    process = start(tmp_path, "exit 1", file_is_valid=False)
    said, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "set aside" in said
    assert left(tmp_path) == ["appendonlydir.broken"]
    assert not (tmp_path / "data" / "appendonlydir.broken-earlier").exists()


@pytest.mark.parametrize(("code", "file_is_valid"), [(0, False), (137, False), (1, True)])
def test_another_end_leaves_the_data_where_it_is(tmp_path: Path, code: int, file_is_valid: bool) -> None:
    """An ordinary end, a kill, and a failure that is not the file's touch nothing; the exit code is passed on."""
    process = start(tmp_path, f"exit {code}", file_is_valid=file_is_valid)
    process.communicate(timeout=10)
    assert process.returncode == code
    assert left(tmp_path) == ["appendonlydir"]


def test_a_stop_reaches_redis(tmp_path: Path) -> None:
    """SIGTERM goes to the server, which ends in its own time, and its code is the script's."""
    process = start(tmp_path, "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done", file_is_valid=False)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.terminate()
    assert process.wait(10) == 7
    process.stdout.close()
