"""Making a backup: every table as it was at one moment, the settings' file, and the history if it is wanted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psycopg

from services.api.backup import tables
from services.api.backup.archive import FORMAT, BackupError, Manifest, Table, Writer, full_disk, member_of, new_file
from services.api.store import ownership
from shared.version import version

CONFIG: Final = "config.yaml"
HISTORY: Final = "history"
ARCHIVE: Final = "archive"
DECISIONS: Final = ("decisions", "judgements", "whole_decisions")
#: Where users' secrets are: destinations' addresses and passwords.  Keys of the API are kept as digests only.
HOLDS_SECRETS: Final = (CONFIG, "database/settings_changes.copy")


@dataclass(frozen=True)
class Sources:
    """What a backup is made of, and what a restore gives back."""

    url: str
    config: Path
    data_dir: Path
    history: bool = False  #: the five-minute history's files too
    decisions: bool = True  #: every coin of every scan: by far the most of it
    archive: bool = False  #: the months of decisions that are files too
    archive_folder: Path | None = None  #: where they are; None: `archive` in the data folder

    @property
    def archived(self) -> Path:
        """The folder of the archive."""
        return self.archive_folder or self.data_dir / ARCHIVE


def to_file(sources: Sources, path: Path) -> Manifest:
    """Make a backup in *path*, which is there as a whole or not at all; raise `BackupError`."""
    with new_file(path) as file:
        return write(sources, file)


def write(sources: Sources, target: IO[bytes]) -> Manifest:
    """Write a backup to *target*, however busy the database is; raise `BackupError`."""
    writer = Writer(target)
    with full_disk("the place of the backup"):
        try:
            manifest = _database(sources, writer)
            for name, path in _files(sources):
                writer.add_file(name, path)
            whole = _completed(manifest, writer)
            writer.finish(whole)
        except psycopg.Error as error:
            raise BackupError(f"the database could not be read: {tables.reason(error)}") from error
        finally:
            writer.abandon()  # of what is finished nothing is left to write
    return whole


def _database(sources: Sources, writer: Writer) -> Manifest:
    left_out = () if sources.decisions else DECISIONS
    with tables.connect(sources.url) as connection:
        # one snapshot for everything that follows: later writes are not in it
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        migrations = ownership.applied(connection)
        if not migrations:
            raise BackupError("this database is not Sevengate's, or is empty: there is nothing to back up")
        stored = []
        for name, names in tables.columns(connection).items():
            if name in left_out:
                continue
            with writer.member(member_of(name)) as member:
                stored.append(tables.copy_out(connection, name, names, member))
        return Manifest(
            format=FORMAT,
            version=version(),
            made_at=time.time_ns() // 1_000_000,
            instance=ownership.instance_of(connection),
            source=_source(connection, stored),
            migrations=migrations,
            partitions=tables.partitions(connection),
            tables=tuple(stored),
            digests={},
            secrets=(),
            left_out=left_out,
        )


def _source(connection: tables.Connection, stored: list[Table]) -> str:
    if not any(table.name == "identity" for table in stored):
        return ""  # a database of 0.1.0
    row = connection.execute("SELECT source FROM identity").fetchone()
    return str(row[0]) if row else ""


def _files(sources: Sources) -> list[tuple[str, Path]]:
    found = [(CONFIG, sources.config)] if sources.config.is_file() else []
    folder = sources.data_dir / HISTORY
    if sources.history and folder.is_dir():
        paths = sorted(
            path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part" and path.name != ".lock"
        )
        found += [(f"{HISTORY}/{path.relative_to(folder).as_posix()}", path) for path in paths]
    return found + [(f"{ARCHIVE}/{path.relative_to(sources.archived).as_posix()}", path) for path in _archive(sources)]


def _archive(sources: Sources) -> list[Path]:
    return sorted(sources.archived.glob("decisions/market=*/*.parquet")) if sources.archive else []


def left_behind(sources: Sources) -> tuple[int, int]:
    """Return how many files of the archive are not in the backup, and their bytes."""
    paths = [] if sources.archive else list(sources.archived.glob("decisions/market=*/*.parquet"))
    return len(paths), sum(path.stat().st_size for path in paths)


def _completed(manifest: Manifest, writer: Writer) -> Manifest:
    secrets = tuple(name for name in HOLDS_SECRETS if name in writer.digests)
    names = {field: getattr(manifest, field) for field in manifest.__struct_fields__}
    return Manifest(**names | {"digests": writer.digests, "secrets": secrets})
