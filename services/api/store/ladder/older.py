"""Decisions of versions that kept every one whole in its row: made narrow, batch by batch, while everything goes on.

Each batch is one transaction, so that it can be interrupted anywhere and goes on where it stopped; until then a row is
read as it was.  Where a month is through, its table is rewritten once to give the room back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
import structlog
from psycopg import sql

from services.api.store import inserts
from services.api.store.database import MINE, Database, Row
from services.api.store.ladder import narrow
from services.api.store.ladder.record import packed, readable
from shared.contracts import HOUR_MS, Decision

BATCH: Final = 500
ROOM: Final = 1_000_000  #: bytes beside a month's rows: narrow ones have none
_LEFT: Final = f"SELECT count(*) AS n FROM decisions WHERE {MINE} AND record IS NOT NULL"
_NEXT: Final = f"""
    SELECT symbol, scan_id, record FROM decisions
    WHERE {MINE} AND record IS NOT NULL AND (symbol, scan_id) > (%s, %s) ORDER BY symbol, scan_id LIMIT {BATCH}
"""
_NARROW: Final = f"""
    UPDATE decisions SET judgement_id = %(judgement_id)s, figures = %(figures)s, flags = %(flags)s,
        regimes = %(regimes)s, record = NULL, verdicts = NULL
    WHERE {MINE} AND symbol = %(symbol)s AND scan_id = %(scan_id)s
"""
_TO_REWRITE: Final = """
    SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'decisions'::regclass AND pg_relation_size(c.reltoastrelid) > %s ORDER BY c.relname
"""

log = structlog.get_logger()


async def left(database: Database) -> int:
    """Return how many of this market's decisions are still as an earlier version kept them."""
    count: int = (await database.rows(_LEFT))[0]["n"]
    return count


async def make_narrow(database: Database, newest: int, hours: int, go_on: Callable[[], bool] = lambda: True) -> int:
    """Make this market's older rows narrow, as long as *go_on*; return how many were.

    Whole ones of the last *hours* before the scan *newest*, signals and near misses move to their own table.
    Rows that no program can read any more stay as they are.
    """
    total, done = await left(database), 0
    place = ("", 0)
    while total and go_on():
        rows = await database.rows(_NEXT, place)
        if not rows:
            break
        place = rows[-1]["symbol"], rows[-1]["scan_id"]
        made = await asyncio.to_thread(_made, rows, newest - hours * HOUR_MS)
        await _store(database, made)
        done += len(made)
        log.info("decisions of an earlier version are made narrow", done=done, of=total)
    return done


def _made(rows: Sequence[Row], young: int) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]]:
    """Return for each readable row its judgement, what it becomes, and its whole record where that is kept."""
    found = []
    for row in rows:
        message = readable(row["record"])
        if isinstance(message, Decision):
            judgement = narrow.judgement(message)
            key = {name: row[name] for name in ("symbol", "scan_id")}
            changes = key | narrow.columns(message) | {"judgement_id": judgement["judgement_id"]}
            kept = inserts.is_kept(message)
            whole = key | {"kept": kept, "record": packed(message)} if kept or row["scan_id"] >= young else None
            found.append((judgement, changes, whole))
    return found


async def _store(
    database: Database, made: Sequence[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]]
) -> None:
    judgements = {judgement["judgement_id"]: judgement for judgement, _, _ in made}
    wholes = [whole for _, _, whole in made if whole is not None]
    async with database.connection() as connection, connection.cursor() as cursor:
        for statement, parameters in (
            (inserts.JUDGEMENT, [judgements[number] for number in sorted(judgements)]),
            (inserts.WHOLE, wholes),
            (_NARROW, [changes for _, changes, _ in made]),
        ):
            if parameters:
                await cursor.executemany(statement.encode(), parameters)


async def give_room_back(database: Database) -> list[str]:
    """Rewrite the months that have only narrow rows and more room than these need; return their names.

    A month that somebody reads or writes for seconds on end is left for the next time.
    """
    done = []
    for row in await database.rows(_TO_REWRITE, [ROOM]):
        table = sql.Identifier(row["name"])
        connection = await psycopg.AsyncConnection.connect(database.url, autocommit=True, connect_timeout=5)
        async with connection:
            cursor = await connection.execute(
                sql.SQL("SELECT 1 FROM {} WHERE record IS NOT NULL LIMIT 1").format(table)
            )
            if await cursor.fetchone() is not None:
                continue
            await connection.execute("SET lock_timeout = '5s'")
            await connection.execute(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(table))
            done.append(row["name"])
    return done
