"""The archive is kept: closed months go into it, old ones leave it, and every file is looked at once a week."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg import sql

from services.api.store.archive import months
from services.api.store.archive.months import NAME, ArchivedMonth, folder_of, generation_of
from services.api.store.database import MINE, Database, DatabaseAwayError, month_of
from shared.contracts import DAY_MS
from shared.runtime.service import Service
from shared.settings import RecordingSettings

EVERY_S: Final = 600.0
CHECK_MS: Final = 7 * DAY_MS  #: between two looks at a whole file
PROGRAM: Final = "services.api.store.archive"
_PARTITION: Final = re.compile(r"decisions_(\d{4})_(\d{2})")
_TABLES: Final = """
    SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'decisions'::regclass ORDER BY c.relname
"""

Close = Callable[[Database, str], Awaitable[str]]
log = structlog.get_logger()


async def keep_archive(service: Service, database: Database) -> None:
    """Keep it until the service stops."""
    while not service.stopping.is_set():
        try:
            if database.ready:
                await attend(database, service.settings.settings.recording)
        except (DatabaseAwayError, OSError, psycopg.Error) as error:
            log.warning("the archive has to wait", error=str(error))
        await service.pause(EVERY_S)


async def close_in_child(database: Database, month: str) -> str:
    """Close *month* in a process of its own; return why it could not be done, empty where it was."""
    own = {
        "SEVENGATE_DATABASE_URL": database.url,
        "SEVENGATE_ARCHIVE_DIR": str(database.archive),
        "SEVENGATE_MARKET": database.market,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", PROGRAM, month), env=os.environ | own, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()  # wherever that is: the next pass goes on from there
            await process.wait()
    return "" if process.returncode == 0 else (said.decode().strip().splitlines() or ["it was killed"])[-1]


async def attend(database: Database, wanted: RecordingSettings, close: Close = close_in_child) -> list[str]:
    """Do what is due by *wanted* and the newest scan; return the months that were closed."""
    newest = await database.newest_scan()
    if newest is None or database.archive is None:
        return []
    oldest = oldest_kept(wanted, newest)
    await _forget(database, oldest)
    done: list[str] = []
    for month in await due(database, wanted, newest) if wanted.archive else []:
        begun = time.monotonic()
        database.archive_problem = await close(database, month)
        if database.archive_problem:
            log.error("a month could not be archived", month=month, reason=database.archive_problem)
            break
        database.partitions_end(month_of(newest - wanted.retention_days * DAY_MS))
        log.info("a month was archived", month=month, seconds=round(time.monotonic() - begun, 1))
        done.append(month)
    await _check(database)
    return done


def archived_since(wanted: RecordingSettings, newest: int) -> int:
    """Return the first moment that the archive keeps, by the scan *newest*; 0: it keeps everything."""
    if not wanted.archive_days:
        return 0
    return newest - max(wanted.archive_days, wanted.retention_days) * DAY_MS


def oldest_kept(wanted: RecordingSettings, newest: int) -> str:
    """Return the oldest month that stays in the archive."""
    return f"{month_of(archived_since(wanted, newest)):%Y-%m}"


async def due(database: Database, wanted: RecordingSettings, newest: int) -> list[str]:
    """Return the months that are past retention and have rows in Postgres, or a file that Postgres does not know."""
    limit, oldest = f"{month_of(newest - wanted.retention_days * DAY_MS):%Y-%m}", oldest_kept(wanted, newest)
    found = {month for month in await _stored(database) if month < limit}
    known = {month.month: generation_of(month.path(_folder(database))) for month in await months.held(database)}
    for path in folder_of(_folder(database), database.market).glob("*.parquet"):
        name = NAME.fullmatch(path.name)
        if name and oldest <= name[1] < limit and generation_of(path) > known.get(name[1], 0):
            found.add(name[1])
    return sorted(found)


async def _stored(database: Database) -> list[str]:
    """Return the months of which Postgres has decisions of this market."""
    found = []
    async with database.connection() as connection:
        for row in await (await connection.execute(_TABLES)).fetchall():
            named = _PARTITION.fullmatch(row["name"])
            query = sql.SQL("SELECT 1 FROM {} WHERE {} LIMIT 1").format(sql.Identifier(row["name"]), sql.SQL(MINE))
            if named and await (await connection.execute(query)).fetchone() is not None:
                found.append(f"{named[1]}-{named[2]}")
    return found


async def _forget(database: Database, oldest: str) -> None:
    """Remove the months before *oldest*."""
    folder = folder_of(_folder(database), database.market)
    gone = await database.execute(f"DELETE FROM archived_months WHERE {MINE} AND month < %s", [oldest])
    for path in folder.glob("*.parquet"):
        name = NAME.fullmatch(path.name)
        if name and name[1] < oldest:
            path.unlink(missing_ok=True)
    if gone:
        log.info("archived months were removed", count=gone, before=oldest)


async def _check(database: Database) -> None:
    """Look at the files that had their last look a week ago, and at those with which something was wrong."""
    now = time.time_ns() // 1_000_000
    for month in await months.held(database):
        if month.problem or month.checked_at < now - CHECK_MS or month.wrong(_folder(database)):
            problem = await asyncio.to_thread(months.checked, month, _folder(database))
            await months.note_check(database, month, problem, now)
            if problem:
                log.error("a month of the archive cannot be used", month=month.month, reason=problem)


def _folder(database: Database) -> Path:
    if database.archive is None:
        raise LookupError("this process has no archive")
    return database.archive


async def bytes_of(database: Database) -> int:
    """Return what the archive takes, of all markets."""
    (row,) = await database.rows("SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM archived_months")
    return int(row["bytes"])


async def shown(database: Database) -> dict[str, Any]:
    """Return what this market's archive has, and what is wrong with it."""
    held: list[ArchivedMonth] = await months.held(database)
    problems = [f"{month.month}: {found}" for month in held if (found := month.wrong(_folder(database)))]
    if database.archive_problem:
        problems.append(f"the last month could not be archived: {database.archive_problem}")
    return {
        "months": len(held),
        "rows": sum(month.rows for month in held),
        "first": held[-1].month if held else None,
        "last": held[0].month if held else None,
        "problems": problems,
    }
