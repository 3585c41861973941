"""What stored decisions take on the disk, measured: real ones of a demo, repeated until the days are full.

A demo of 150 coins runs first for ``--for`` seconds (``--demo DIR`` takes one that has run: its data folder).  Its
decisions are stored by the recorder's own statements and then repeated in SQL, each time later by what the demo lasted,
in the order of their scans.  Run as ``python -m benchmarks.stored_decisions [--days 90]``; the last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from services.api.recorder import Statements
from services.api.store.database import Database, migrate
from services.api.store.ladder import narrow
from services.api.store.ladder.record import readable
from services.terminal.local import listening, stores
from shared.config.environment import MARKET
from shared.contracts import DAY_MS, HOUR_MS, SCAN_MS, Decision
from shared.settings import RecordingSettings
from tests.conftest import ROOT, running

COINS: Final = 150
SCANS_A_DAY: Final = DAY_MS // SCAN_MS
_COLUMNS: Final = ", ".join(name for name in narrow.COLUMNS if name != "scan_id")
_REAL: Final = f"""
    CREATE TABLE real_decisions AS
    SELECT {_COLUMNS}, decided_at, %(first)s + (n - 1) * %(step)s AS scan_id FROM (
        SELECT d.*, scan_id AS decided_at, row_number() OVER (PARTITION BY symbol ORDER BY scan_id) AS n,
            count(*) OVER (PARTITION BY symbol) AS held FROM decisions d
    ) AS each WHERE n <= (SELECT min(held) FROM (SELECT count(*) AS held FROM decisions GROUP BY symbol) AS coins)
"""  # noqa: S608 columns of the program
_LATER: Final = f"""
    INSERT INTO decisions ({_COLUMNS}, scan_id) SELECT {_COLUMNS}, scan_id + %(later)s FROM real_decisions
    WHERE scan_id + %(later)s <= %(until)s ORDER BY scan_id, symbol
"""  # noqa: S608 columns of the program
_WHOLE: Final = """
    INSERT INTO whole_decisions (market, symbol, scan_id, kept, record)
    SELECT market, symbol, scan_id + %(later)s, kept, record FROM real_wholes
    WHERE scan_id + %(later)s <= %(until)s AND (kept OR scan_id + %(later)s > %(young)s) ORDER BY scan_id, symbol
"""
_SIZES: Final = """
    SELECT sum(pg_relation_size(inhrelid)), sum(pg_indexes_size(inhrelid)), sum(pg_total_relation_size(inhrelid)),
        pg_total_relation_size('whole_decisions'), pg_total_relation_size('judgements'),
        (SELECT count(*) FROM decisions), (SELECT count(*) FROM whole_decisions),
        (SELECT count(*) FROM whole_decisions WHERE kept), (SELECT count(*) FROM judgements)
    FROM pg_inherits WHERE inhparent = 'decisions'::regclass
"""


def run_demo(folder: Path, seconds: float) -> Path:
    """Let a demo of its own make decisions; return its data folder."""
    argv = [sys.executable, "-m", "services.terminal", "demo", "--lockstep", "--symbols", str(COINS), "--quiet"]
    argv += ["--no-browser", "--for", str(seconds), "--port", str(listening.free_port())]
    environment = os.environ | {"SEVENGATE_DATA_DIR": str(folder)}
    subprocess.run(argv, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    return folder / "demo"


def decisions_of(demo: Path) -> list[Decision]:
    """Return what the demo in *demo* decided, oldest first."""
    store = stores.postgres(demo / "postgres", durable=False, password=stores.password_in(demo, "postgres-password"))
    with running(store.argv, stop=signal.SIGINT):
        stores.wait_for_postgres(store.url)
        with psycopg.connect(store.url) as connection:
            rows = connection.execute("SELECT record FROM whole_decisions ORDER BY scan_id, symbol").fetchall()
    return [message for (record,) in rows if isinstance(message := readable(record), Decision)]


async def store(url: str, decisions: list[Decision]) -> None:
    """Store *decisions* as the recorder does."""
    database = Database(url, MARKET)
    assert await database.start(), database.reason
    try:
        for start in range(0, len(decisions), 1_000):
            statements = Statements()
            for one in decisions[start : start + 1_000]:
                statements.add(one)
            async with database.connection() as connection:
                await database.ensure_partitions(connection, statements.scans)
                await statements.store(connection)
    finally:
        await database.close()


async def ensure_months(url: str, scans: Iterator[int]) -> None:
    database = Database(url, MARKET)
    assert await database.start(), database.reason
    try:
        async with database.connection() as connection:
            await database.ensure_partitions(connection, scans)
    finally:
        await database.close()


def fill(url: str, decisions: list[Decision], days: float) -> None:
    """Store *decisions*, and the same again later until *days* are full; whole ones as long as they are kept."""
    asyncio.run(store(url, decisions))
    scans = sorted({one.analysis.scan_id for one in decisions})
    until = scans[0] + int(days * SCANS_A_DAY) * SCAN_MS - 1
    young = until - RecordingSettings().whole_hours * HOUR_MS
    asyncio.run(ensure_months(url, iter(range(scans[0], until, DAY_MS))))
    asyncio.run(ensure_months(url, iter([until])))
    with psycopg.connect(url, autocommit=True) as connection:
        # a demo that is too fast for its machine leaves decisions out: here the n-th of every coin make the n-th scan
        connection.execute(_REAL.encode(), {"first": scans[0], "step": SCAN_MS})
        connection.execute(
            "CREATE TABLE real_wholes AS SELECT r.symbol, r.scan_id, w.market, w.kept, w.record FROM whole_decisions w"
            " JOIN real_decisions r ON (r.market, r.symbol, r.decided_at) = (w.market, w.symbol, w.scan_id)"
        )
        (longest,) = connection.execute("SELECT max(scan_id) FROM real_decisions").fetchone() or (0,)
        span = longest - scans[0] + SCAN_MS
        connection.execute("TRUNCATE decisions, whole_decisions")
        for later in range(0, until - scans[0] + 1, span):
            for statement in (_LATER, _WHOLE):
                connection.execute(statement.encode(), {"later": later, "until": until, "young": young})
        connection.execute("DROP TABLE real_decisions, real_wholes")


def sizes(url: str) -> dict[str, Any]:
    """Return what everything about decisions takes."""
    with psycopg.connect(url) as connection:
        row = connection.execute(_SIZES).fetchone()
    assert row is not None
    heap, indices, narrow_all, whole, judgements, count, wholes, kept, shared = map(int, row)
    return {
        "decisions": count,
        "bytes": narrow_all + whole + judgements,
        "bytes a narrow decision": round(narrow_all / count, 1),
        "of these its row": round(heap / count, 1),
        "of these its indices": round(indices / count, 1),
        "whole decisions": wholes,
        "of these for ever": kept,
        "bytes a whole decision": round(whole / wholes, 1),
        "judgements": shared,
        "bytes of judgements": judgements,
    }


@contextmanager
def filled(demo: Path | None, seconds: float, days: float, folder: Path) -> Iterator[str]:
    """Give the address of a Postgres in *folder* that holds *days* of decisions like those of *demo*."""
    decisions = decisions_of(demo or run_demo(folder / "data", seconds))
    store = stores.postgres(folder / "postgres", durable=False)
    with running(store.argv, stop=signal.SIGINT):
        stores.wait_for_postgres(store.url)
        migrate(store.url)
        fill(store.url, decisions, days)
        yield store.url


def main() -> None:
    """Fill a Postgres of its own, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", type=Path)
    parser.add_argument("--for", type=float, default=180.0, dest="seconds")
    parser.add_argument("--days", type=float, default=90.0)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        filled(arguments.demo, arguments.seconds, arguments.days, Path(folder)) as url,
    ):
        found = sizes(url)
    print(json.dumps(found | {"days": arguments.days}, indent=1))


if __name__ == "__main__":
    main()
