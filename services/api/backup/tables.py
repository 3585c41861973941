"""Which tables a database has, and their rows in and out of it by COPY."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import sql

from services.api.backup.archive import PIECE, BackupError, Partition, Readable, Rows, Table, Writable

Connection = psycopg.Connection[Any]

#: What makes two copies of equal rows equal, byte by byte.
SAME_BYTES: Final = (
    "SET timezone = 'UTC'",
    "SET datestyle = 'ISO, YMD'",
    "SET bytea_output = 'hex'",
    "SET extra_float_digits = 1",
    "SET statement_timeout = 0",
)
_TABLES: Final = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname !~ 'yoyo' GROUP BY c.relname ORDER BY c.relname
"""
_PARTITIONS: Final = """
    SELECT c.relname, p.relname, pg_get_expr(c.relpartbound, c.oid)
    FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent
    WHERE c.relispartition AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname
"""
_IDENTITIES: Final = """
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND a.attidentity <> '' AND NOT c.relispartition
"""
_BOUNDS: Final = re.compile(r"DEFAULT|FOR VALUES FROM \('?-?\d+'?\) TO \('?-?\d+'?\)")


def connect(url: str) -> Connection:
    """Return a connection whose copies can be compared; raise `BackupError`."""
    try:
        connection = psycopg.connect(url, connect_timeout=10, application_name="sevengate backup")
        for statement in SAME_BYTES:
            connection.execute(statement.encode())
        connection.commit()
    except psycopg.OperationalError as error:
        raise BackupError(f"the database does not answer: {reason(error)}") from error
    return connection


def columns(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the columns of each of Sevengate's tables."""
    return {name: tuple(names) for name, names in connection.execute(_TABLES.encode())}


def partitions(connection: Connection) -> tuple[Partition, ...]:
    """Return the partitions of all tables."""
    return tuple(Partition(*row) for row in connection.execute(_PARTITIONS.encode()))


def make_partitions(connection: Connection, wanted: Sequence[Partition]) -> None:
    """Make the partitions that are not there."""
    there = {partition.name for partition in partitions(connection)}
    for partition in wanted:
        if partition.name in there:
            continue
        if not _BOUNDS.fullmatch(partition.bounds):
            raise BackupError(f"the backup has a partition {partition.name} with bounds that are not numbers")
        connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} {}").format(
                sql.Identifier(partition.name),
                sql.Identifier(partition.parent),
                sql.SQL(partition.bounds),  # it matches _BOUNDS
            )
        )


def copy_out(connection: Connection, name: str, names: Sequence[str], to: Writable) -> Table:
    """Write the rows of the table *name* to *to*; return how many there are, and which."""
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(_list(names), sql.Identifier(name))
    rows = Rows()
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for piece in copy:
            data = bytes(piece)
            rows.take(data)
            to.write(data)
    return Table(name, tuple(names), rows.count, rows.digest)


def copy_in(connection: Connection, table: Table, rows: Readable) -> None:
    """Put *rows* into *table*, in place of what is there."""
    connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(table.name)))
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), _list(table.columns))
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        while piece := rows.read(PIECE):
            copy.write(piece)


def continue_numbers(connection: Connection) -> None:
    """Let numbers that the database gives go on behind those that were copied."""
    for table, column in connection.execute(_IDENTITIES.encode()).fetchall():
        connection.execute(
            sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), GREATEST((SELECT max({}) FROM {}), 1))").format(
                sql.Literal(table), sql.Literal(column), sql.Identifier(column), sql.Identifier(table)
            )
        )


def count(connection: Connection, name: str) -> int:
    """Return how many rows the table *name* has."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
    return int(row[0]) if row else 0


def reason(error: BaseException) -> str:
    """Return what *error* says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
