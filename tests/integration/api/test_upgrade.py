"""A database of every release comes up to this one with all its rows, or stays as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from services.api.backup import restore, tables
from services.api.backup.archive import BackupError
from services.api.backup.save import Sources
from services.api.backup.upgrade import upgrade
from services.api.store import queries
from services.api.store.database import Database, known_migrations, migrate
from services.api.store.pages import Filter
from shared.contracts import Alert
from tests.integration.api.test_backup import contents, databases

DUMPS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))


@pytest.fixture(params=DUMPS, ids=[path.stem for path in DUMPS])
def released(request: pytest.FixtureRequest, fresh_database: str, tmp_path: Path) -> Sources:
    """A database as a release left it, with rows that its recorder wrote."""
    with psycopg.connect(fresh_database) as connection:
        connection.execute(request.param.read_text(encoding="utf-8").encode())
    return Sources(fresh_database, tmp_path / "none.yaml", tmp_path)


def counts(url: str) -> dict[str, int]:
    with tables.connect(url) as connection:
        return {name: tables.count(connection, name) for name in tables.columns(connection)}


async def test_no_row_is_lost_and_all_can_be_read(released: Sources, tmp_path: Path) -> None:
    """Counts stay, the backup of before holds, and the records of then are read by the code of now."""
    before, said = counts(released.url), list[str]()
    done = await asyncio.to_thread(upgrade, released, tmp_path / "backups", said.append)
    after = counts(released.url)
    assert {name: after[name] for name in before} == before
    assert min(before[name] for name in ("scans", "decisions", "signals", "alerts", "deliveries", "mutes")) > 0
    assert done.pending == tuple(name for name in known_migrations() if name != "0001.initial")
    assert done.backup is not None
    assert restore.verify(released.url, done.backup, tmp_path).migrations == ("0001.initial",)
    assert (await asyncio.to_thread(upgrade, released, tmp_path / "backups", said.append)).pending == ()
    database = Database(released.url, folder=tmp_path)  # the id is the one that the upgrade noted
    assert await database.start()
    try:
        assert len((await queries.signals(database, Filter(), 100)).rows) == before["signals"]
        assert len((await queries.alerts(database, Filter(), 100)).rows) == before["alerts"]
        for row in await database.rows("SELECT alert_id FROM alerts"):
            assert isinstance(await queries.alert(database, row["alert_id"]), Alert)
        newest = await queries.newest_decisions(database, 0)
        assert {decision.analysis.symbol for decision in newest} == {"AAAUSDT", "BBBUSDT"}
    finally:
        await database.close()


@pytest.mark.parametrize("at", [1, 2])
def test_one_that_fails_leaves_everything_as_it_was(released: Sources, tmp_path: Path, at: int) -> None:
    """In the rehearsal the database is not touched; after it, the copy of before takes its place."""
    before, runs = contents(released.url), list[str]()

    def loses(url: str) -> None:
        runs.append(url)
        migrate(url)
        if len(runs) == at:
            with psycopg.connect(url) as connection:
                connection.execute("DELETE FROM deliveries")

    with pytest.raises(BackupError, match="the upgrade would lose rows of deliveries"):
        upgrade(released, tmp_path / "backups", lambda _: None, loses)
    assert len(runs) == at
    assert contents(released.url) == before
    assert len(databases(released.url)) == at  # the failed one is kept beside it
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_an_empty_database_is_not_upgraded(fresh_database: str, tmp_path: Path) -> None:
    """There is nothing to keep: the first start lays the tables."""
    with pytest.raises(BackupError, match="is empty, or not Sevengate's: there is nothing to upgrade"):
        upgrade(Sources(fresh_database, tmp_path / "none.yaml", tmp_path), tmp_path, lambda _: None)
