"""Whether a database is this installation's: checked before anything is written to it.

The database has an id of its own (table ``identity``), and the data folder keeps it in the file
``instance``.  A database that is unexpectedly empty, belongs to another installation, holds another
market or was written by a newer version is refused with a sentence, instead of running empty beside it.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg

from shared.config import lasting_file

INSTANCE: Final = "instance"  #: the file in the data folder
APPLIED: Final = "_yoyo_migration"  #: where the migrations that were applied are listed

Connection = psycopg.Connection[Any]


class UnusableDatabaseError(Exception):
    """The database is not one to run on; the text says why and what to do."""


class OtherSourceError(UnusableDatabaseError):
    """The database holds the records of another market."""


class OtherInstanceError(UnusableDatabaseError):
    """The database is empty or another installation's, and this installation had one."""


class NewerSchemaError(UnusableDatabaseError):
    """A newer version has changed the tables."""


def examine(connection: Connection, folder: Path | None, known: Collection[str]) -> None:
    """Raise `UnusableDatabaseError` where the database is not that of *folder*; *known* are our migrations."""
    newer = sorted(set(applied(connection)) - set(known))
    if newer:
        raise NewerSchemaError(
            f"this database was written by a newer Sevengate (it has {', '.join(newer)}): run that version,"
            " or restore a backup that this one made"
        )
    expected = expected_instance(folder)
    if not expected:
        return
    held = instance_of(connection)
    if held == expected:
        return
    whose = f"belongs to another installation ({held[:8]})" if held else "is empty"
    raise OtherInstanceError(
        f"this database {whose}, and this installation's is {expected[:8]}: name the right one"
        " (SEVENGATE_DATABASE_URL), or bring it back with `restore FILE`;"
        f" to go on with this one, remove {_file(folder)}"
    )


def claim(connection: Connection, source: str, folder: Path | None) -> None:
    """Take the database for *source* and note its id in *folder*; raise `OtherSourceError` where it is another's."""
    connection.execute("UPDATE identity SET source = %s WHERE source = ''", [source])
    row = connection.execute("SELECT source, instance FROM identity").fetchone()
    held, instance = row if row else (source, "")
    if held != source:
        raise OtherSourceError(
            f"this database holds a {held} market and the exchange is {source}: give each its own"
            " SEVENGATE_DATABASE_URL (or SEVENGATE_DATA_DIR)"
        )
    connection.commit()
    if folder is not None and instance != expected_instance(folder):
        note_instance(folder, instance)


def applied(connection: Connection) -> tuple[str, ...]:
    """Return the migrations that the database has had, in their order; none where it is not Sevengate's."""
    if not _exists(connection, APPLIED):
        return ()
    return tuple(row[0] for row in connection.execute(f"SELECT migration_id FROM {APPLIED} ORDER BY migration_id"))


def instance_of(connection: Connection) -> str:
    """Return the database's id; empty where it has none, as one that is empty or of 0.1.0."""
    if not _exists(connection, "identity"):
        return ""
    row = connection.execute("SELECT instance FROM identity").fetchone()
    return str(row[0]) if row else ""


def expected_instance(folder: Path | None) -> str:
    """Return the id of the database that *folder* has had; empty where it had none."""
    if folder is not None:
        with suppress(FileNotFoundError):
            return _file(folder).read_text(encoding="ascii").strip()
    return ""


def note_instance(folder: Path, instance: str) -> None:
    """Let *folder* expect the database of this id from now on."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lasting_file.write(_file(folder), instance)


def _file(folder: Path | None) -> Path:
    return (folder or Path()) / INSTANCE


def _exists(connection: Connection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"public.{table}"]).fetchone()
    return bool(row and row[0])
