"""`upgrade`: backup, rehearsal on a copy, migration, a look at the result; else everything as it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from services.api.backup import restore, save, scratch, tables
from services.api.backup.archive import BackupError, reading
from services.api.backup.save import Sources
from services.api.store import counts, keys, ownership, queries, user_settings
from services.api.store.archive.months import ArchiveUnreadableError
from services.api.store.database import Database, DatabaseAwayError, known_migrations, migrate
from services.api.store.pages import Filter
from services.api.store.recovery import state as recovery
from shared.config.environment import MARKET
from shared.settings import RuntimeSettings
from shared.version import version

Say = Callable[[str], None]


@dataclass(frozen=True)
class Upgrade:
    """What was done."""

    pending: tuple[str, ...]  #: the migrations that were applied; none: the database was up to date
    backup: Path | None


def upgrade(sources: Sources, backups: Path, say: Say, migrating: Callable[[str], None] = migrate) -> Upgrade:
    """Bring the database up to this version; raise `BackupError` with the database as it was before.

    *migrating* lays the tables, of the copy and then of the database.
    """
    pending, before = _state(sources.url)
    if not pending:
        return Upgrade((), None)
    path = backups / f"before-{version()}-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip"
    say(f"backup: {path}")
    save.to_file(sources, path)
    with reading(path, backups) as archive:
        archive.check()
        with scratch.filled(sources.url, archive) as address:
            say("the backup holds; rehearsing on a copy of it")
            _lay(address, before, migrating)
        with scratch.filled(sources.url, archive) as address:
            say(f"upgrading: {', '.join(pending)}")
            try:
                _lay(sources.url, before, migrating)
            except BackupError as error:
                aside = f"{scratch.name_in(sources.url)}_failed_{int(time.time())}"
                restore.undo(sources, address, aside)
                raise BackupError(f"{error}; the database is as it was before (the failed one: {aside})") from error
    restore.note_instance(sources)
    return Upgrade(pending, path)


def _state(url: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the migrations that are missing, and how many rows each table has."""
    with tables.connect(url) as connection:
        ownership.examine(connection, None, known_migrations())
        applied = ownership.applied(connection)
        if not applied:
            raise BackupError("this database is empty, or not Sevengate's: there is nothing to upgrade")
        pending = tuple(name for name in known_migrations() if name not in applied)
        return pending, {name: tables.count(connection, name) for name in tables.columns(connection)}


def _lay(url: str, before: dict[str, int], migrating: Callable[[str], None]) -> None:
    """Migrate the database of *url* and look whether everything is there and can be read; raise `BackupError`."""
    try:
        migrating(url)
        with tables.connect(url) as connection:
            there = tables.columns(connection)
            lost = [name for name, rows in before.items() if name not in there or tables.count(connection, name) < rows]
        if lost:
            raise BackupError(f"the upgrade would lose rows of {', '.join(lost)}")
        asyncio.run(_read_as_the_api_does(url))
    except (psycopg.Error, DatabaseAwayError) as error:
        raise BackupError(f"the upgrade fails: {tables.reason(error)}") from error


async def _read_as_the_api_does(url: str) -> None:
    """Read once what the API reads at its start and its pages show."""
    database = Database(url, MARKET, timeout=30.0)
    now = time.time_ns() // 1_000_000
    try:
        await database.open()
        await keys.load(database)
        await user_settings.load(database, now)
        await recovery.restored_state(database, RuntimeSettings(), 0, now)
        await counts.load(database, now)
        await queries.newest_decisions(database, 0)
        for page in (queries.scans, queries.decisions, queries.signals, queries.alerts, queries.deliveries):
            with suppress(ArchiveUnreadableError):  # it is no part of the database
                await page(database, Filter(), 100)
    finally:
        await database.close()
