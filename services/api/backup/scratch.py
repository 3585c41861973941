"""A database beside the one in use: filled from a backup, compared with it, and put in its place when it holds."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from services.api.backup import tables
from services.api.backup.archive import Archive, BackupError, Nowhere
from services.api.store.database import known_migrations, migrate

DISK_FULL: Final = "the database's disk is full: nothing was changed; make room and try again"


def named(url: str, database: str) -> str:
    """Return *url* with another database's name."""
    head, slash, _ = url.partition("?")[0].rpartition("/")
    query = url.partition("?")[2]
    return f"{head}{slash}{database}" + (f"?{query}" if query else "")


def name_in(url: str) -> str:
    """Return the name of the database that *url* names."""
    return str(conninfo_to_dict(url).get("dbname") or "")


@contextmanager
def server(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection to the server of *url* that is not to its database; raise `BackupError`."""
    try:
        with psycopg.connect(make_conninfo(url, dbname="postgres", connect_timeout=10), autocommit=True) as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackupError(
            f"the database's user may not make a database to check the backup in: {tables.reason(error)};"
            " run `ALTER ROLE … CREATEDB` as its administrator"
        ) from error
    except psycopg.errors.DiskFull as error:
        raise BackupError(DISK_FULL) from error
    except psycopg.errors.ObjectInUse as error:
        raise BackupError("the database is in use: stop Sevengate first") from error
    except psycopg.Error as error:
        raise BackupError(f"the database server refuses: {tables.reason(error)}") from error


@contextmanager
def filled(url: str, archive: Archive) -> Iterator[str]:
    """Give the address of a new database that holds what *archive* has, compared row by row.

    It is dropped at the end unless somebody has given it another name.  Raises `BackupError`, and leaves
    the database of *url* as it is.
    """
    refuse_foreign(archive)
    name = f"sevengate_scratch_{secrets.token_hex(4)}"
    with server(url) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            _fill(named(url, name), archive)
            yield named(url, name)
        finally:
            drop(connection, name)


def drop(connection: psycopg.Connection[Any], name: str) -> None:
    """Remove the database *name*, if there is one."""
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def refuse_foreign(archive: Archive) -> None:
    """Raise `BackupError` where the backup is a newer version's."""
    newer = sorted(set(archive.manifest.migrations) - set(known_migrations()))
    if newer:
        raise BackupError(
            f"{archive.name} was made by a newer Sevengate ({archive.manifest.version}, with {', '.join(newer)}):"
            " upgrade this one first"
        )


def _fill(url: str, archive: Archive) -> None:
    manifest = archive.manifest
    try:
        migrate(url, only=manifest.migrations)
        with tables.connect(url) as connection:
            _refuse_other_tables(connection, archive)
            tables.make_partitions(connection, manifest.partitions)
            for table in manifest.tables:
                with archive.open(table.member) as rows:
                    tables.copy_in(connection, table, rows)
            tables.continue_numbers(connection)
            connection.commit()
            _compare(connection, archive)
    except psycopg.errors.DiskFull as error:
        raise BackupError(DISK_FULL) from error
    except psycopg.Error as error:
        raise BackupError(f"{archive.name} cannot be restored: {tables.reason(error)}") from error


def _refuse_other_tables(connection: tables.Connection, archive: Archive) -> None:
    ours = tables.columns(connection)
    wrong = sorted(table.name for table in archive.manifest.tables if table.columns != ours.get(table.name))
    wrong += sorted(ours.keys() - {table.name for table in archive.manifest.tables} - set(archive.manifest.left_out))
    if wrong:
        raise BackupError(f"{archive.name} is not of this Sevengate's tables ({', '.join(wrong)} differ): use another")


def _compare(connection: tables.Connection, archive: Archive) -> None:
    """Raise `BackupError` unless a copy of what was restored has the very rows of the backup."""
    for table in archive.manifest.tables:
        if tables.copy_out(connection, table.name, table.columns, Nowhere()) != table:
            raise BackupError(
                f"{archive.name}: the restored rows of {table.name} differ from the backup's; nothing was changed"
            )


def put_in_place(url: str, scratch: str, aside: str) -> None:
    """Let the database *scratch* be that of *url*, which is named *aside* from then on; both or neither."""
    with server(url) as connection:
        live = name_in(url)
        with connection.transaction():
            for old, new in ((live, aside), (name_in(scratch), live)):
                connection.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
                )
