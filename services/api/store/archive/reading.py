"""Questions to archived months: DuckDB over their files, in the order in which Postgres would answer.

Ask Postgres first: a month that is archived in between is then in both answers, never in none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from services.api.store.archive import months
from services.api.store.archive.columns import COLUMNS, Row, rows_of
from services.api.store.archive.duck import opened
from services.api.store.archive.months import ArchivedMonth, ArchiveUnreadableError
from services.api.store.database import Database

if TYPE_CHECKING:
    import duckdb

Found = TypeVar("Found")
NARROW: Final = tuple(COLUMNS)


async def since(database: Database, scan: int) -> list[ArchivedMonth]:
    """Return the archived months with scans after *scan*, oldest first."""
    return [month for month in reversed(await months.held(database)) if month.last_scan > scan]


async def newest_of(database: Database, symbol: str, at: int, limit: int, known: Iterable[Row] = ()) -> list[Row]:
    """Return the newest *limit* decisions about *symbol* up to *at*, newest first.

    *known* are those of Postgres, and whole ones, which stand with their record alone.
    """
    found = {row["scan_id"]: row for row in known}
    for month in await months.held(database):
        if sum(scan > month.last_scan for scan in found) >= limit:
            break
        if symbol in month.symbols and month.first_scan <= at:
            where = "WHERE symbol = ? AND scan_id <= ? ORDER BY scan_id DESC LIMIT ?"
            for row in await rows(database, month, NARROW, where, [symbol, at, limit]):
                whole = found.get(row["scan_id"], row)
                found[row["scan_id"]] = row | {"record": whole["record"]} if whole["judgement_id"] is None else whole
    return [found[scan] for scan in sorted(found, reverse=True)[:limit]]


async def rows(
    database: Database,
    month: ArchivedMonth,
    columns: Sequence[str],
    where: str,
    values: Sequence[object],
    *,
    source: str = "read_parquet(?)",
) -> list[Row]:
    """Return *columns* of the decisions of *month* as Postgres gives them; *where* is the program's, with `?`.

    Raises `ArchiveUnreadableError`.
    """

    def read(duck: duckdb.DuckDBPyConnection, path: str) -> list[Row]:
        query = f"SELECT {', '.join(columns)} FROM {source} {where}"
        return rows_of(columns, duck.execute(query, [path, *values]).fetchall())

    return await ask(database, month, read)


async def ask(
    database: Database, month: ArchivedMonth, read: Callable[[duckdb.DuckDBPyConnection, str], Found]
) -> Found:
    """Return what *read* makes of the file of *month*, in a thread; raise `ArchiveUnreadableError`."""
    if database.archive is None:
        raise ArchiveUnreadableError(f"decisions of {month.month} are in the archive, which this process has not")
    return await asyncio.to_thread(_ask, database.archive, month, read)


def _ask(archive: Path, month: ArchivedMonth, read: Callable[[duckdb.DuckDBPyConnection, str], Found]) -> Found:
    if wrong := month.wrong(archive):
        raise ArchiveUnreadableError(f"decisions of {month.month} cannot be read: {wrong}")
    with opened(archive) as duck:
        import duckdb  # noqa: PLC0415 see `opened`

        try:
            return read(duck, str(month.path(archive)))
        except duckdb.Error as error:
            said = (str(error).strip() or "it does not say why").splitlines()[0]
            raise ArchiveUnreadableError(f"decisions of {month.month} cannot be read: {said}") from error
