"""A market of some months in Postgres, and what Postgres and the archive together have of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psycopg
from psycopg.rows import dict_row

from services.api.recorder import Statements
from services.api.store.archive import months
from services.api.store.archive.closing import MarketArchive, close_month
from services.api.store.archive.columns import COLUMNS, OF_JUDGEMENT, rows_of
from services.api.store.archive.duck import opened
from services.api.store.database import Database
from shared.config.environment import MARKET
from shared.contracts import DAY_MS, SCAN_MS, Decision, Fmqs, Message, VolumeFigures
from shared.settings import RecordingSettings
from tests.integration.api import facts

COINS = ("AAAUSDT", "BBBUSDT", "1000CUSDT")
MONTH = "2025-09"
FIRST = facts.SCAN  #: in September
OCTOBER = facts.SCAN + 30 * DAY_MS
NEWEST = facts.SCAN + 75 * DAY_MS  #: in November
WANTED = RecordingSettings(retention_days=30)  #: of this, September is past retention
NARROW = [name for name in COLUMNS if name not in OF_JUDGEMENT]
_STORED = f"""
    SELECT {", ".join(f"d.{name}" for name in NARROW)}, coalesce(j.verdicts, d.verdicts) AS verdicts, j.common
    FROM decisions d LEFT JOIN judgements j ON j.judgement_id = d.judgement_id WHERE d.market = %s
"""  # noqa: S608 columns of the program

_ARCHIVED = f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?)"  # noqa: S608 columns of the program


def decisions(scans: Iterable[int], coins: Iterable[str] = COINS) -> list[Decision]:
    """Return decisions about *coins* whose figures have many digits; some lack figures, some passed."""
    noise = np.random.default_rng(11)
    found = []
    for scan in scans:
        for symbol in coins:
            value = float(noise.random())
            made = facts.decision(symbol, scan, score=60 + 40 * value, passed=value > 0.97)
            changes: dict[str, Any] = {
                "bar": tuple(float(one) for one in 10.0 ** noise.uniform(-7, 9, 5)),
                "fmqs": None if value < 0.1 else Fmqs(value=100 * value, components={}),
                "levels": None if value < 0.2 else made.analysis.levels,
                "volume": None if value < 0.3 else VolumeFigures(ratio_3=3 * value, taker_delta=None, obv_slope=-value),
                "problem": "stale" if 0.3 < value < 0.35 else "",
            }
            found.append(msgspec.structs.replace(made, analysis=msgspec.structs.replace(made.analysis, **changes)))
    return found


def september(count: int = 40) -> list[int]:
    """Return *count* scans of September."""
    return [FIRST + number * SCAN_MS for number in range(count)]


async def store(database: Database, messages: Iterable[Message]) -> None:
    """Store *messages* as the recorder does."""
    statements = Statements()
    for message in messages:
        statements.add(message)
    async with database.connection() as connection:
        await database.ensure_partitions(connection, statements.scans)
        await statements.store(connection)
    database.partitions_exist(statements.scans)


async def fill(database: Database) -> None:
    """Store some of September, October and November, each with its scans."""
    scans = [*september(), OCTOBER, NEWEST]
    await store(database, decisions(scans))
    await store(database, [message for scan in scans for message in (facts.opened(scan), facts.settled(scan))])


def place(database: Database) -> MarketArchive:
    assert database.archive is not None
    return MarketArchive(database.url, database.market, database.archive)


async def close(database: Database, month: str) -> str:
    """Close *month* in this process, which is quicker than in one of its own."""
    await asyncio.to_thread(close_month, place(database), month)
    return ""


async def everything(database: Database) -> list[tuple[Any, ...]]:
    """Return every decision that Postgres or a file of the archive that it knows has, as often as it is there."""
    return await asyncio.to_thread(_everything, database.url, place(database).archive, database.market)


def _everything(url: str, archive: Path, market: str = MARKET) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        rows: list[dict[str, Any]] = connection.execute(_STORED.encode(), [market]).fetchall()
        known = connection.execute("SELECT * FROM archived_months WHERE market = %s", [market]).fetchall()
    for month in map(months.ArchivedMonth.of_row, known):
        with opened(archive) as duck:
            found = duck.execute(_ARCHIVED, [str(month.path(archive))])
            rows += rows_of(list(COLUMNS), found.fetchall())
    # as text, in which NaN equals NaN
    return sorted(tuple(repr(row[name]) for name in ("symbol", "scan_id", *COLUMNS)) for row in rows)
