"""A backup every night: when it is due, how many are kept, and what a failure leaves."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.api.backup import restore
from services.api.backup.archive import BackupError
from services.api.backup.nightly import due, make_if_due
from services.api.backup.save import Sources
from services.api.store.database import migrate

ZONE = ZoneInfo("Europe/Berlin")
NIGHT = datetime(2026, 3, 1, 3, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("at", "now", "newest", "name"),
    [
        ("", NIGHT, "", ""),
        ("03:30", NIGHT, "", "nightly-2026-03-01.zip"),
        ("03:30", NIGHT - timedelta(minutes=1), "nightly-2026-02-28.zip", ""),
        ("03:30", NIGHT + timedelta(hours=9), "nightly-2026-02-28.zip", "nightly-2026-03-01.zip"),
        ("03:30", NIGHT + timedelta(hours=9), "nightly-2026-03-01.zip", ""),
        ("03:30", NIGHT - timedelta(hours=2), "nightly-2026-02-20.zip", "nightly-2026-02-28.zip"),
    ],
)
def test_it_is_due_once_a_day(at: str, now: datetime, newest: str, name: str) -> None:
    """At its time, or later if Sevengate was down then; never without a time."""
    assert due(at, now, newest) == name


def test_the_newest_are_kept_and_hold(fresh_database: str, tmp_path: Path) -> None:
    """Four nights with three kept; other files in the folder stay."""
    migrate(fresh_database)
    sources, folder = Sources(fresh_database, tmp_path / "none.yaml", tmp_path), tmp_path / "backups"
    folder.mkdir()
    (folder / "mine.zip").touch()
    for night in range(4):
        now = NIGHT + timedelta(days=night)
        assert make_if_due(sources, folder, "03:30", now, 3) is not None
        assert make_if_due(sources, folder, "03:30", now, 3) is None
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["mine.zip", *(f"nightly-2026-03-0{day}.zip" for day in (2, 3, 4))]
    assert restore.verify(fresh_database, folder / left[-1], tmp_path).tables


def test_one_that_fails_costs_no_older_one(fresh_database: str, tmp_path: Path) -> None:
    """The database is away: a sentence, and the last backup is still there."""
    migrate(fresh_database)
    sources, folder = Sources(fresh_database, tmp_path / "none.yaml", tmp_path), tmp_path / "backups"
    assert make_if_due(sources, folder, "03:30", NIGHT, 1) is not None
    away = Sources("postgresql://127.0.0.1:1/nobody", tmp_path / "none.yaml", tmp_path)
    with pytest.raises(BackupError, match="the database does not answer"):
        make_if_due(away, folder, "03:30", NIGHT + timedelta(days=1), 1)
    assert os.listdir(folder) == ["nightly-2026-03-01.zip"]
