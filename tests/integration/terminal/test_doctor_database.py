"""`doctor` says whether the database is this installation's, and when the last backup was made."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psycopg
import pytest

from services.api.store.database import migrate
from services.terminal.commands import doctor
from shared.config.environment import Environment


def test_the_database_is_named_as_what_it_is(
    fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty, another's, and the right one."""
    monkeypatch.setenv("SEVENGATE_DATABASE_URL", fresh_database)
    environment = Environment(data_dir=tmp_path)
    assert list(doctor.instance(environment)) == []  # nothing was here yet
    (tmp_path / "instance").write_text("0123456789abcdef")
    (found,) = doctor.instance(environment)
    assert (found.verdict, found.detail[:46]) == ("problem", "the database is empty, this one's is 01234567:")
    migrate(fresh_database)
    (found,) = doctor.instance(environment)
    assert found.detail.startswith("the database is another installation's (")
    with psycopg.connect(fresh_database) as connection:
        connection.execute("UPDATE identity SET instance = '0123456789abcdef'")
    (found,) = doctor.instance(environment)
    assert found.verdict == "ok"


def test_a_lost_folder_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded database's folder is not there, and it was."""
    monkeypatch.delenv("SEVENGATE_DATABASE_URL", raising=False)
    (tmp_path / "instance").write_text("0123456789abcdef")
    (found,) = doctor.instance(Environment(data_dir=tmp_path))
    assert found.verdict == "problem"
    assert f"{tmp_path / 'postgres'} is gone" in found.detail


def test_an_old_backup_is_a_warning(tmp_path: Path) -> None:
    """None, a fresh one, and one of ten days ago."""
    environment = Environment(data_dir=tmp_path)
    (found,) = doctor.backups(environment)
    assert (found.verdict, found.name) == ("warning", "backups")
    path = tmp_path / "backups" / "nightly-2026-01-01.zip"
    path.parent.mkdir()
    path.touch()
    (found,) = doctor.backups(environment)
    assert found.verdict == "ok"
    os.utime(path, (time.time() - 864_000,) * 2)
    (found,) = doctor.backups(environment)
    assert found.verdict == "warning"
    assert "10.0 days old" in found.detail
