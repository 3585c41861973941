"""A closed month leaves Postgres: file written, read back, put in its place, and only then the rows dropped.

Whatever is interrupted is done again by the next pass: the rows are in Postgres until the transaction that records the
file has committed.  Rows that come later, and files that the database does not know (it was restored from a backup of
before), are joined with what is there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from services.api.store.archive import files
from services.api.store.archive.columns import COLUMNS, OF_JUDGEMENT
from services.api.store.archive.duck import opened
from services.api.store.archive.files import Written, WrongFileError
from services.api.store.archive.months import (
    NAME,
    PART,
    ArchivedMonth,
    digest_of,
    files_of,
    folder_of,
    generation_of,
)
from services.api.store.database import MINE

Connection = psycopg.Connection[DictRow]
Step = Callable[[str], None]

SUPERSEDED_S: Final = 600.0  #: a question that has just begun may still read the file of before
_LOCK: Final = """
    SELECT pg_try_advisory_lock(hashtextextended('archive of ' || current_setting('sevengate.market'), 0)) AS taken
"""
_ROWS: Final = ", ".join(name for name in COLUMNS if name not in OF_JUDGEMENT)
_RECORD: Final = """
    INSERT INTO archived_months (month, file, rows, first_scan, last_scan, symbols, digest, bytes, file_digest,
        archived_at, checked_at)
    VALUES (%(month)s, %(file)s, %(rows)s, %(first_scan)s, %(last_scan)s, %(symbols)s, %(digest)s, %(bytes)s,
        %(file_digest)s, %(at)s, %(at)s)
    ON CONFLICT (market, month) DO UPDATE SET file = EXCLUDED.file, rows = EXCLUDED.rows, digest = EXCLUDED.digest,
        first_scan = EXCLUDED.first_scan, last_scan = EXCLUDED.last_scan, symbols = EXCLUDED.symbols,
        bytes = EXCLUDED.bytes, file_digest = EXCLUDED.file_digest, archived_at = EXCLUDED.archived_at,
        checked_at = EXCLUDED.checked_at, problem = ''
"""


class BusyError(Exception):
    """Another process archives this market, or rows came meanwhile: the next pass does it."""


@dataclass(frozen=True)
class MarketArchive:
    """Where a market's rows and files are."""

    url: str
    market: str
    archive: Path  #: the folder

    @property
    def folder(self) -> Path:
        """Of the market's files."""
        return folder_of(self.archive, self.market)


def close_month(place: MarketArchive, month: str, after: Step = lambda step: None) -> Written:
    """Move the decisions of *month* into its file; *after* hears of each step that is done.

    Raises `BusyError`, `WrongFileError`, `OSError` or `psycopg.Error`; then nothing is lost, and the next time does it.
    """
    options = f"-c sevengate.market={place.market} -c statement_timeout=0"
    with psycopg.connect(place.url, connect_timeout=5, row_factory=dict_row, options=options) as connection:
        connection.autocommit = True
        taken = connection.execute(_LOCK).fetchone()
        if taken is None or not taken["taken"]:
            raise BusyError("another process archives this market")
        place.folder.mkdir(parents=True, exist_ok=True)
        _sweep(connection, place)
        work = _Month(connection, place, month)
        written, from_table = work.write()
        after("written")
        work.verify(written)
        after("verified")
        path = work.put_in_place()
        after("in place")
        work.drop(written, path, from_table)
        after("dropped")
        return written


class _Month:
    """One month on its way into a file."""

    def __init__(self, connection: Connection, place: MarketArchive, month: str) -> None:
        self._connection, self._place, self._month = connection, place, month
        self._table = f"decisions_{month.replace('-', '_')}"
        self._part = place.folder / f"{month}{PART}"
        self._judgements: dict[int, DictRow] = {}

    def write(self) -> tuple[Written, int]:
        """Write everything that there is of the month; return what that is, and how much of it is in the table."""
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            instance = self._one("SELECT instance FROM identity")["instance"]
            earlier = self._earlier(instance)
            rows = self._count()
            coins = self._coins(earlier)
            return files.write(self._part, coins, instance, self._place.market, self._month), rows

    def _earlier(self, instance: str) -> list[Path]:
        """Return the files that hold rows of this month already, each verified."""
        found = self._connection.execute(
            f"SELECT * FROM archived_months WHERE {MINE} AND month = %s", [self._month]
        ).fetchone()
        known = ArchivedMonth.of_row(found) if found else None
        unknown = {
            path: said
            for path in sorted(files_of(self._place.folder, self._month))
            if generation_of(path) > (generation_of(Path(known.file)) if known else 0)
            and (said := files.described(path)).instance == instance
            and said.market == self._place.market
        }
        paths = [self._verified(path, said.rows, said.digest) for path, said in unknown.items()]
        if known is None or any(said.rows >= known.rows for said in unknown.values()):
            return paths
        if wrong := known.wrong(self._place.archive):
            raise WrongFileError(wrong)
        return [self._verified(known.path(self._place.archive), known.rows, known.digest), *paths]

    def _verified(self, path: Path, rows: int, digest: str) -> Path:
        with opened(self._place.archive) as duck:
            found = files.read_back(duck, path)
        if (found.rows, found.digest) != (rows, digest):
            raise WrongFileError(f"{path} is damaged: its rows are not those that were written")
        return path

    def _count(self) -> int:
        if not self._there():
            return 0
        query = sql.SQL("SELECT count(*) AS n FROM {} WHERE {}").format(sql.Identifier(self._table), sql.SQL(MINE))
        return int(self._one(query)["n"])

    def _there(self) -> bool:
        return self._one("SELECT to_regclass(%s) AS name", f"public.{self._table}")["name"] is not None

    def _one(self, query: LiteralString | sql.Composed, *values: object) -> DictRow:
        row = self._connection.execute(query, values).fetchone()
        if row is None:
            raise LookupError("the database answered nothing")
        return row

    def _coins(self, earlier: list[Path]) -> Iterator[tuple[str, pa.Table]]:
        """Yield each coin's rows by scan, those of the table before those of the same scan in a file."""
        query = sql.SQL("SELECT DISTINCT symbol FROM {} WHERE {}").format(sql.Identifier(self._table), sql.SQL(MINE))
        stored = {row["symbol"] for row in self._connection.execute(query)} if self._there() else set()
        with opened(self._place.archive) as duck:
            held = {path: frozenset(files.symbols_of(duck, path)) for path in earlier}
            for symbol in sorted(stored.union(*held.values())):
                parts = [self._stored(symbol)] if symbol in stored else []
                parts += [files.coin_of(duck, path, symbol) for path, symbols in held.items() if symbol in symbols]
                yield symbol, _joined(parts)

    def _stored(self, symbol: str) -> pa.Table:
        query = sql.SQL("SELECT {} FROM {} WHERE {} AND symbol = %s ORDER BY scan_id").format(
            sql.SQL(f"{_ROWS}, verdicts::text"), sql.Identifier(self._table), sql.SQL(MINE)
        )
        rows: list[dict[str, Any]] = self._connection.execute(query, [symbol]).fetchall()
        self._learn({row["judgement_id"] for row in rows} - self._judgements.keys() - {None})
        for row in rows:
            judged = self._judgements.get(row["judgement_id"])
            row["common"] = judged["common"] if judged else None
            row["verdicts"] = judged["verdicts"] if judged else row["verdicts"]
        return files.table_of(rows)

    def _learn(self, numbers: set[int]) -> None:
        rows = self._connection.execute(
            "SELECT judgement_id, verdicts::text, common::text FROM judgements WHERE judgement_id = ANY(%s)",
            [list(numbers)],
        )
        self._judgements |= {row["judgement_id"]: row for row in rows}

    def verify(self, written: Written) -> None:
        """Read the file back; raise `WrongFileError` unless it has the rows that went into it."""
        with opened(self._place.archive) as duck:
            found = files.read_back(duck, self._part)
        if found != written:
            raise WrongFileError(f"{self._part} does not hold the rows that were written: is the disk sound?")

    def put_in_place(self) -> Path:
        """Give the file its name, which no other has; return where it is."""
        newest = max(map(generation_of, files_of(self._place.folder, self._month)), default=0)
        name = f"{self._month}.{newest + 1}.parquet" if newest else f"{self._month}.parquet"
        path = self._place.folder / name
        self._part.rename(path)
        _to_disk(self._place.folder)
        return path

    def drop(self, written: Written, path: Path, rows: int) -> None:
        """Record the file and drop the rows, both or neither; raise `BusyError` where rows have come meanwhile."""
        values = {name: getattr(written, name) for name in ("rows", "first_scan", "last_scan", "digest")}
        values |= {"month": self._month, "file": path.name, "symbols": list(written.symbols)}
        values |= {"bytes": path.stat().st_size, "file_digest": digest_of(path), "at": time.time_ns() // 1_000_000}
        with self._connection.transaction():
            self._connection.execute("SET LOCAL lock_timeout = '5s'")
            if self._there():
                self._drop_rows(rows)
            self._connection.execute(_RECORD.encode(), values)

    def _drop_rows(self, expected: int) -> None:
        """Drop the table, or where other markets have rows in it this market's alone."""
        table = sql.Identifier(self._table)
        shared = self._is_shared()
        if shared:
            self._connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(table))
        else:  # the parent first, as everyone does: who asks for decisions waits for the moment of the count
            self._connection.execute("LOCK TABLE ONLY decisions IN ACCESS EXCLUSIVE MODE")
        if self._count() != expected or self._is_shared() != shared:
            raise BusyError(f"decisions of {self._month} came while they were archived")
        drop = sql.SQL("DELETE FROM {} WHERE {}") if shared else sql.SQL("DROP TABLE {}")
        self._connection.execute(drop.format(table, sql.SQL(MINE)) if shared else drop.format(table))

    def _is_shared(self) -> bool:
        query = sql.SQL("SELECT 1 FROM {} WHERE market < %s OR market > %s LIMIT 1").format(sql.Identifier(self._table))
        return self._connection.execute(query, [self._place.market] * 2).fetchone() is not None


def _joined(parts: list[pa.Table]) -> pa.Table:
    """Return the rows of all *parts* by scan; of one scan that of the first part which has it."""
    if len(parts) == 1:
        return parts[0]
    together = pa.concat_tables(parts)
    _, places = np.unique(together["scan_id"].to_numpy(), return_index=True)
    return together.take(pa.array(places))


def _sweep(connection: Connection, place: MarketArchive) -> None:
    """Remove what an interrupted pass left behind, and files that a newer one of their month has replaced."""
    rows = connection.execute(f"SELECT month, file FROM archived_months WHERE {MINE}").fetchall()
    known = {row["month"]: row["file"] for row in rows}
    for path in place.folder.iterdir():
        found = NAME.fullmatch(path.name)
        replaced = found is not None and generation_of(path) < generation_of(Path(known.get(found[1], path.name)))
        with suppress(FileNotFoundError):
            if path.suffix == PART or (replaced and time.time() - path.stat().st_mtime > SUPERSEDED_S):
                path.unlink()


def _to_disk(folder: Path) -> None:
    """Let the names in *folder* outlast a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
