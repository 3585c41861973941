"""`sevengate backup` and `restore` on the embedded database, which runs only as long as they need it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from services.api.store.database import migrate
from services.terminal.commands import database
from services.terminal.local import data_folder
from tests.conftest import ROOT


def sevengate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SEVENGATE_DATA_DIR": str(folder), "SEVENGATE_CONFIG": str(folder / "config.yaml")}
    argv = [sys.executable, "-m", "services.terminal", *arguments]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_a_lost_database_comes_back(tmp_path: Path) -> None:
    """Backed up while nothing runs, the folder of the database lost, restored: its rows and its id are there."""
    folder, file = tmp_path / "data", tmp_path / "b.zip"
    with database.embedded(folder) as url:
        migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO scans (market, scan_id) VALUES ('binance-um', 7)")
            row = connection.execute("SELECT instance FROM identity").fetchone()
    assert row is not None
    made = sevengate(folder, "backup", str(file))
    assert made.returncode == 0, made.stderr
    (folder / "postgres").rename(tmp_path / "lost")
    back = sevengate(folder, "restore", str(file))
    assert back.returncode == 0, back.stderr
    assert "restored: " in back.stderr
    assert (folder / "instance").read_text() == row[0]
    with database.embedded(folder) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT scan_id FROM scans").fetchall() == [(7,)]


@pytest.mark.timeout(180)
def test_a_database_of_the_first_release_is_upgraded(tmp_path: Path) -> None:
    """`upgrade` starts the embedded database, brings it up, says where the backup is, and is then up to date."""
    dump = ROOT / "tests" / "integration" / "api" / "schemas" / "0.1.0.sql"
    with database.embedded(tmp_path) as url, psycopg.connect(url) as connection:
        connection.execute(dump.read_text(encoding="utf-8").encode())
    done = sevengate(tmp_path, "upgrade")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "backups").iterdir()
    assert f"upgraded; the backup of before is {path}" in done.stderr.splitlines()  # beside the database's own lines
    with database.embedded(tmp_path) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM outcomes").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM scans").fetchone() == (3,)


def test_a_restore_waits_for_nobody_who_runs(tmp_path: Path) -> None:
    """While Sevengate runs on the folder it is refused, and says by whom it is in use."""
    with data_folder.claim(tmp_path, "http://127.0.0.1:8710"):
        done = sevengate(tmp_path, "restore", str(tmp_path / "b.zip"))
    assert done.returncode == 1
    assert "is in use by process" in done.stderr
