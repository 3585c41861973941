"""Closed months become files: verified before their rows go, and no row lost or doubled whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import psycopg
import pytest

from services.api.context import Context
from services.api.store.archive import keeping, months
from services.api.store.archive.closing import BusyError, close_month
from services.api.store.archive.columns import COLUMNS, OF_JUDGEMENT
from services.api.store.archive.files import WrongFileError
from services.api.store.database import Database, month_of
from services.api.store.ladder.retention import retain
from shared.contracts import DAY_MS, SCAN_MS
from tests.conftest import ROOT
from tests.integration.api import archived
from tests.integration.api.test_ladder import as_before

KILLED = """
import os, signal, sys
from pathlib import Path
from services.api.store.archive.closing import MarketArchive, close_month
place = MarketArchive(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
close_month(place, sys.argv[4], lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == sys.argv[5] else None)
"""


@pytest.fixture
async def database(api: Context) -> Database:
    """A market of three months, of which the first is past retention."""
    await archived.fill(api.database)
    return api.database


async def stored_months(database: Database) -> list[str]:
    rows = await database.rows("SELECT inhrelid::regclass::text AS name FROM pg_inherits ORDER BY 1")
    return [row["name"] for row in rows if row["name"].startswith("decisions_2") and "idx" not in row["name"]]


async def test_the_columns_are_those_of_the_table(api: Context) -> None:
    """Who adds a column to decisions adds it to the files."""
    rows = await api.database.rows(
        "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'decisions'"
    )
    assert {row["name"] for row in rows} | set(OF_JUDGEMENT) == set(COLUMNS)


async def test_a_closed_month_leaves_postgres(database: Database) -> None:
    """The process that the API starts writes the file and drops the rows; a second pass finds nothing to do."""
    before = await archived.everything(database)
    assert await keeping.attend(database, archived.WANTED) == [archived.MONTH]
    assert database.archive_problem == ""
    assert await archived.everything(database) == before
    assert "decisions_2025_09" not in await stored_months(database)
    (month,) = await months.held(database)
    assert (month.month, month.rows, month.symbols) == (archived.MONTH, 120, tuple(sorted(archived.COINS)))
    assert (month.first_scan, month.last_scan) == (archived.FIRST, archived.september()[-1])
    assert await keeping.attend(database, archived.WANTED) == []
    assert await keeping.bytes_of(database) == month.path(archived.place(database).archive).stat().st_size


async def test_what_an_earlier_version_stored_is_archived_too(database: Database, fresh_database: str) -> None:
    """Rows that are not narrow yet, and those that no program can read, are in the file as they were."""
    scans = [archived.FIRST - DAY_MS - number * SCAN_MS for number in range(2)]
    as_before(fresh_database, archived.decisions(scans))
    await database.execute("UPDATE decisions SET record = 'no decision' WHERE scan_id = %s", [scans[0]])
    before = await archived.everything(database)
    assert len(before) == 132
    close_month(archived.place(database), archived.MONTH)
    assert await archived.everything(database) == before


@pytest.mark.parametrize("step", ["written", "verified", "in place", "dropped"])
async def test_killed_between_two_steps_it_loses_and_doubles_nothing(database: Database, step: str) -> None:
    """Wherever the process is killed, every decision is there once, before the next pass and after it."""
    before = await archived.everything(database)
    place = archived.place(database)
    arguments = [place.url, place.market, str(place.archive), archived.MONTH, step]
    process = await asyncio.create_subprocess_exec(*(sys.executable, "-c", KILLED), *arguments, cwd=ROOT)
    assert await process.wait() == -signal.SIGKILL
    assert await archived.everything(database) == before
    assert bool(await months.held(database)) == (step == "dropped")
    await keeping.attend(database, archived.WANTED, archived.close)
    assert await archived.everything(database) == before
    (month,) = await months.held(database)
    assert month.rows == 120
    assert await keeping.due(database, archived.WANTED, archived.NEWEST) == []


async def test_rows_that_come_meanwhile_stay_until_the_next_pass(database: Database) -> None:
    """The file is written again with them; nothing that came is dropped."""

    def late(step: str) -> None:
        if step == "in place":
            insert_late(database.url)

    with pytest.raises(BusyError):
        close_month(archived.place(database), archived.MONTH, late)
    before = await archived.everything(database)
    assert len(before) == 127
    assert await keeping.attend(database, archived.WANTED, archived.close) == [archived.MONTH]
    assert await archived.everything(database) == before


def insert_late(url: str) -> None:
    """Insert a decision of September as a recorder would."""
    copied = ", ".join(name for name in COLUMNS if name not in {"symbol", *OF_JUDGEMENT})
    query = f"INSERT INTO decisions (symbol, {copied}) SELECT 'LATEUSDT', {copied} FROM decisions"  # noqa: S608
    with psycopg.connect(url) as connection:
        connection.execute(f"{query} WHERE scan_id = {archived.FIRST} AND symbol = 'AAAUSDT'".encode())


async def test_rows_that_come_after_their_month_was_archived_join_it(database: Database) -> None:
    """Their month gets a new file; one that comes twice is there once, and the old file goes after a while."""
    close_month(archived.place(database), archived.MONTH)
    again = archived.september(2)
    database.partitions_end(month_of(archived.OCTOBER))
    await archived.store(database, archived.decisions(again, ("AAAUSDT", "LATEUSDT")))
    assert await keeping.attend(database, archived.WANTED, archived.close) == [archived.MONTH]
    (month,) = await months.held(database)
    assert (month.file, month.rows) == ("2025-09.2.parquet", 122)
    assert "LATEUSDT" in month.symbols
    assert len(await archived.everything(database)) == 122 + 6
    folder = archived.place(database).folder
    os.utime(folder / "2025-09.parquet", (0, 0))
    close_month(archived.place(database), "2025-10")
    assert sorted(path.name for path in folder.iterdir()) == ["2025-09.2.parquet", "2025-10.parquet"]


async def test_a_database_of_before_takes_the_files_that_it_does_not_know(database: Database) -> None:
    """It was restored from a backup made in the middle of the month, or without decisions: the file's rows stay."""
    before = await archived.everything(database)
    close_month(archived.place(database), archived.MONTH)
    await database.execute("DELETE FROM archived_months")
    database.partitions_end(month_of(archived.OCTOBER))
    await archived.store(database, archived.decisions(archived.september(10)))
    assert await keeping.attend(database, archived.WANTED, archived.close) == [archived.MONTH]
    assert await archived.everything(database) == before
    await database.execute("DELETE FROM archived_months")
    assert await keeping.attend(database, archived.WANTED, archived.close) == [archived.MONTH]
    assert await archived.everything(database) == before


async def test_another_installations_file_is_not_taken(database: Database) -> None:
    """It is left where it is, and said."""
    place = archived.place(database)
    close_month(place, archived.MONTH)
    await database.execute("DELETE FROM archived_months")
    await database.execute("UPDATE identity SET instance = 'another'")
    with pytest.raises(WrongFileError, match="no rows"):
        close_month(place, archived.MONTH)
    assert (place.folder / "2025-09.parquet").is_file()


async def test_a_market_takes_its_own_rows(database: Database) -> None:
    """Markets share a month's table: it goes with the last of them."""
    other = Database(database.url, "okx-swap", archive=database.archive)
    await other.open()
    try:
        await archived.store(other, archived.decisions([*archived.september(3), archived.NEWEST]))
        before = await archived.everything(database), await archived.everything(other)
        close_month(archived.place(database), archived.MONTH)
        assert "decisions_2025_09" in await stored_months(database)
        close_month(archived.place(other), archived.MONTH)
        assert "decisions_2025_09" not in await stored_months(database)
        assert (await archived.everything(database), await archived.everything(other)) == before
    finally:
        await other.close()


async def test_a_file_that_does_not_hold_the_rows_is_not_trusted(database: Database) -> None:
    """What the disk made of the file is read back before anything is dropped."""
    place = archived.place(database)

    def spoil(step: str) -> None:
        if step == "written":
            part = place.folder / "2025-09.part"
            data = bytearray(part.read_bytes())
            data[1_000:1_200] = bytes(200)
            part.write_bytes(data)

    before = await archived.everything(database)
    with pytest.raises(WrongFileError):
        close_month(place, archived.MONTH, spoil)
    assert await archived.everything(database) == before
    assert await months.held(database) == []


async def test_a_missing_or_damaged_file_is_named(database: Database) -> None:
    """By its size at every look, by its bytes at the weekly one; once it is back, all is well."""
    close_month(archived.place(database), archived.MONTH)
    (month,) = await months.held(database)
    archive = archived.place(database).archive
    path = month.path(archive)
    whole = path.read_bytes()
    path.unlink()
    assert month.wrong(archive) == f"{path} is missing"
    path.write_bytes(whole[:-1])
    assert "is damaged: it has" in month.wrong(archive)
    spoilt = bytearray(whole)
    spoilt[1_000] ^= 1
    path.write_bytes(spoilt)
    assert month.wrong(archive) == ""
    await database.execute("UPDATE archived_months SET checked_at = 0")
    await keeping.attend(database, archived.WANTED, archived.close)
    said = f"2025-09: {path} is damaged: its bytes are not those that were written"
    assert (await keeping.shown(database))["problems"] == [said]
    with pytest.raises(WrongFileError):  # nor is it joined with rows that come late
        close_month(archived.place(database), archived.MONTH)
    path.write_bytes(whole)
    await keeping.attend(database, archived.WANTED, archived.close)
    assert await keeping.shown(database) == {
        "months": 1,
        "rows": 120,
        "first": "2025-09",
        "last": "2025-09",
        "problems": [],
    }


async def test_the_archive_is_kept_as_long_as_it_is_set(database: Database) -> None:
    """Scans stay as long as decisions about them; without an archive both go at the end of retention."""
    close_month(archived.place(database), archived.MONTH)
    await retain(database, archived.WANTED)
    count = "SELECT count(*) AS n FROM scans"
    assert (await database.rows(count))[0]["n"] == 42
    shorter = archived.WANTED.model_copy(update={"archive_days": 40})
    await keeping.attend(database, shorter, archived.close)
    await retain(database, shorter)
    assert await months.held(database) == []
    assert list(archived.place(database).folder.iterdir()) == []
    assert (await database.rows(count))[0]["n"] == 2


async def test_without_an_archive_old_months_are_dropped(database: Database) -> None:
    """And nothing is written; what is in the archive already stays."""
    close_month(archived.place(database), archived.MONTH)
    none = archived.WANTED.model_copy(update={"archive": False, "retention_days": 1})
    assert await keeping.attend(database, none, archived.close) == []
    assert await retain(database, none) == ["decisions_2025_10"]
    assert [month.month for month in await months.held(database)] == [archived.MONTH]
