"""A database knows whose records it holds: simulated and real never mix."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from services.api.store import identity, ownership
from services.api.store.database import Database, migrate
from services.api.store.ownership import NewerSchemaError, OtherInstanceError, OtherSourceError
from shared.config.environment import Environment
from tests.conftest import ROOT
from tests.patience import PATIENCE_S


async def test_a_database_is_taken_once_and_refuses_the_other(fresh_database: str) -> None:
    """The first start says whose it is; its id stays; another source gets a sentence and records nothing."""
    database = Database(fresh_database, source="simulated")
    assert await database.start()
    known = await identity.load(database)
    assert known.source == "simulated"
    await database.close()
    other = Database(fresh_database, source="real")
    with pytest.raises(OtherSourceError, match="holds a simulated market and the exchange is real: give each its own"):
        await other.start()
    assert not other.ready
    await other.close()
    again = Database(fresh_database, source="simulated")
    assert await again.start()
    assert await identity.load(again) == known
    await again.close()


@pytest.mark.parametrize(
    ("url", "speed", "source"),
    [
        ("https://fapi.binance.com", 1.0, "real"),
        ("http://127.0.0.1:8700", 1.0, "simulated"),
        ("http://simulator:8700", 60.0, "simulated"),
        ("https://fapi.binance.com", 0.0, "simulated"),
    ],
)
def test_what_runs_here_or_at_another_speed_is_simulated(url: str, speed: float, source: str) -> None:
    """No setting is needed for it."""
    assert Environment(binance_rest_url=url, clock_speed=speed).source == source


@pytest.mark.timeout(600)
async def test_the_service_ends_with_a_sentence(fresh_valkey: str, fresh_database: str, tmp_path: Path) -> None:
    """Exit code 2, and a line that says how to go on."""
    first = Database(fresh_database, source="simulated")
    assert await first.start()
    await first.close()
    environment = os.environ | {
        "SEVENGATE_REDIS_URL": fresh_valkey,
        "SEVENGATE_DATABASE_URL": fresh_database,
        "SEVENGATE_DATA_DIR": str(tmp_path),
        "SEVENGATE_CONFIG": str(tmp_path / "none.yaml"),
    }
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.api"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "this database holds a simulated market and the exchange is real" in ended.stderr.splitlines()[-1]
    assert (tmp_path / "api-token").stat().st_mode & 0o777 == 0o600


async def test_an_empty_database_where_there_was_one_is_refused_untouched(fresh_database: str, tmp_path: Path) -> None:
    """The volume is lost, the data folder is not: it stops with a sentence and writes no table."""
    (tmp_path / "instance").write_text("0123456789abcdef")
    database = Database(fresh_database, folder=tmp_path)
    with pytest.raises(OtherInstanceError, match="this database is empty, and this installation's is 01234567: name"):
        await database.start()
    await database.close()
    with psycopg.connect(fresh_database) as connection:
        assert not ownership.applied(connection)
    (tmp_path / "instance").unlink()  # as the sentence says
    begun = Database(fresh_database, folder=tmp_path)
    assert await begun.start()
    assert (tmp_path / "instance").read_text() == (await identity.load(begun)).instance
    await begun.close()


async def test_another_installations_database_is_refused(fresh_database: str, tmp_path: Path) -> None:
    """Its id is not the one that the data folder knows."""
    first = Database(fresh_database, folder=tmp_path / "first")
    assert await first.start()
    await first.close()
    (tmp_path / "instance").write_text("0123456789abcdef")
    other = Database(fresh_database, folder=tmp_path)
    with pytest.raises(OtherInstanceError, match=r"belongs to another installation \([0-9a-f]{8}\), and this"):
        await other.start()
    await other.close()


async def test_a_newer_versions_database_is_refused(fresh_database: str) -> None:
    """An older version refuses before it writes into tables that it does not know."""
    migrate(fresh_database)
    with psycopg.connect(fresh_database) as connection:
        connection.execute(
            "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc)"
            " VALUES ('x', '9999.later', now())"
        )
    database = Database(fresh_database)
    with pytest.raises(NewerSchemaError, match=r"written by a newer Sevengate \(it has 9999.later\)"):
        await database.start()
    await database.close()
