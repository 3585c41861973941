"""Bringing a backup back: checked, filled into a database beside the one in use, then put in its place."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import psycopg
from psycopg import sql

from services.api.backup import save, scratch, tables
from services.api.backup.archive import PIECE, Archive, BackupError, Manifest, full_disk, reading
from services.api.backup.save import Sources
from services.api.store import ownership
from services.api.store.database import migrate

#: those of programs, not the server's own housekeeping
OTHERS: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = %s AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
LOOKS: Final = 12  #: at most, a quarter of a second apart: one that has just been closed may still be listed


@dataclass(frozen=True)
class Restored:
    """The result of restoring a backup."""

    manifest: Manifest
    aside: str  #: the database that was in use before, by its new name; empty: there was none, or it was dropped
    config: Path | None  #: where the settings' file was put; None: it had none, or it is the same


def verify(url: str, source: IO[bytes] | Path, spool: Path) -> Manifest:
    """Restore a backup into a database that is dropped again; raise `BackupError` where that fails."""
    with reading(source, spool) as archive:
        archive.check()
        with scratch.filled(url, archive) as address:
            migrate(address)
        return archive.manifest


def restore(sources: Sources, source: IO[bytes] | Path, spool: Path, *, discard: bool = False) -> Restored:
    """Replace the database by what the backup has; *discard* drops the one that was in use.

    Raises `BackupError` with the database in use as it was.
    """
    with reading(source, spool) as archive:
        archive.check()
        _refuse_while_used(sources.url)
        with scratch.filled(sources.url, archive) as address:
            migrate(address)
            aside = f"{scratch.name_in(sources.url)}_before_{datetime.now(UTC):%Y%m%d_%H%M%S}"
            scratch.put_in_place(sources.url, address, aside)
        if discard:
            with scratch.server(sources.url) as connection:
                scratch.drop(connection, aside)
        note_instance(sources)
        _give_files(archive, save.HISTORY, sources.data_dir / save.HISTORY)
        _give_files(archive, save.ARCHIVE, sources.archived)
        return Restored(archive.manifest, "" if discard else aside, _give_config(archive, sources.config))


def note_instance(sources: Sources) -> None:
    """Let the data folder expect the database that is there now."""
    with tables.connect(sources.url) as connection:
        ownership.note_instance(sources.data_dir, ownership.instance_of(connection))


def _refuse_while_used(url: str) -> None:
    name = scratch.name_in(url)
    with scratch.server(url) as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if there is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        for _ in range(LOOKS):
            (others,) = connection.execute(OTHERS, [name]).fetchone() or (0,)
            if not others:
                return
            time.sleep(0.25)
    raise BackupError(f"{others} connections use the database {name}: stop Sevengate first")


def _give_config(archive: Archive, path: Path) -> Path | None:
    """Put the settings' file where there is none, else beside the one that differs."""
    if save.CONFIG not in archive.manifest.digests:
        return None
    with archive.open(save.CONFIG) as file:
        text = b"".join(iter(lambda: file.read(PIECE), b""))
    if path.is_file() and path.read_bytes() == text:
        return None
    place = path.with_name(f"{path.name}.restored") if path.is_file() else path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
            written.write(text)
    except OSError:
        return Path(save.CONFIG)  # a folder that is not ours to write, as in a container: it is in the archive
    return place


def _give_files(archive: Archive, kind: str, folder: Path) -> None:
    """Put back the history's or the archive's files that are not there; what is there is newer."""
    for name in archive.manifest.digests:
        place = folder / name.removeprefix(f"{kind}/")
        if not name.startswith(f"{kind}/") or ".." in Path(name).parts or place.exists():
            continue
        with full_disk(folder), archive.open(name) as file:
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_name(f".{place.name}.part")
            with part.open("wb") as written:
                while piece := file.read(PIECE):
                    written.write(piece)
            part.replace(place)


def undo(sources: Sources, address: str, aside: str) -> None:
    """Put the database *address* in the place of the one in use; raise `BackupError`."""
    try:
        scratch.put_in_place(sources.url, address, aside)
    except psycopg.Error as error:
        raise BackupError(f"the database could not be put back: {tables.reason(error)}") from error
    note_instance(sources)
