"""What a month of decisions takes as a file instead of rows, and how long questions to it take, measured.

Real decisions of a demo are repeated as `benchmarks.stored_decisions` does, which see for the options; but what is no
whole number is moved by up to half a percent each time, at random: zstd would find the repetition.  That makes the
file larger than a real one: prices lose their grid, and figures that stand still move.

With ``--bars FOLDER`` they are those of a backtest over recorded five-minute bars, each once and as it is: the size to
believe.  They have no futures data.

Run as ``python -m benchmarks.archived_decisions [--demo DIR | --bars FOLDER --coins 3] [--days 6]``; the last line is
JSON.  With ``--cgroup FOLDER`` the archiving is in a control group that you have made, as it is in a container.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.stored_decisions import filled, store
from services.api.routes.what_if import compared
from services.api.store import queries
from services.api.store.archive.columns import COLUMNS
from services.api.store.database import Database, migrate
from services.api.store.pages import Filter
from services.backtest.recorded.survey import survey
from services.backtest.run import BacktestPlan, run, span_of
from services.terminal.local import stores
from shared.config.environment import MARKET
from shared.contracts import DAY_MS, SCAN_MS
from shared.settings import RuntimeSettings, Thresholds
from tests.conftest import ROOT, running

ROUNDS: Final = 5
_MOVED: Final = "CASE WHEN {0} = floor({0}) OR {0} = 'NaN' THEN {0} ELSE {0} * (1 + (random() - 0.5) / 100) END"
_NUMBERS: Final = [name for name, kind in COLUMNS.items() if kind in ("float", "double")]
_SET: Final = ", ".join(f"{name} = {_MOVED.format(name)}" for name in _NUMBERS)
_FIGURES: Final = (
    f"SELECT array_agg(({_MOVED.format('f')})::real ORDER BY n) FROM unnest(figures) WITH ORDINALITY AS u (f, n)"  # noqa: S608
)
_JITTER: Final = f"UPDATE decisions SET {_SET}, figures = ({_FIGURES})"  # noqa: S608 columns of the program
_SIZE: Final = """
    SELECT sum(pg_total_relation_size(inhrelid))::bigint, sum(pg_relation_size(inhrelid))::bigint,
        (SELECT count(*) FROM decisions), min(c.relname)
    FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'decisions'::regclass AND relpages > 0
"""


@contextmanager
def recorded(bars: Path, coins: int, days: float, folder: Path) -> Iterator[str]:
    """Give the address of a Postgres in *folder* that holds what a backtest over *bars* decided."""
    paths = sorted(bars.glob("*.parquet"))[:coins]
    surveys = [survey(path.stem, path) for path in paths]
    plan = BacktestPlan(
        bars, folder / "kept", MARKET, RuntimeSettings(), tuple(coin.symbol for coin in surveys), all_scores=True
    )
    first, _ = span_of(plan, surveys)
    last = first + int(days * DAY_MS) - SCAN_MS
    found = run(replace(plan, first=first, last=last), surveys, lambda *_: None, keep_decisions=True)
    postgres = stores.postgres(folder / "postgres", durable=False)
    with running(postgres.argv, stop=signal.SIGINT):
        stores.wait_for_postgres(postgres.url)
        migrate(postgres.url)
        asyncio.run(store(postgres.url, found.decisions))
        yield postgres.url


def sizes(url: str, *, moved: bool) -> tuple[int, int, int]:
    """Return bytes with indices, bytes of the rows, and rows of all partitions; the figures are *moved* before."""
    with psycopg.connect(url, autocommit=True) as connection:
        if moved:
            connection.execute(_JITTER.encode())
        connection.execute("VACUUM (FULL, ANALYZE) decisions")
        row = connection.execute(_SIZE).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def close(url: str, folder: Path, names: list[str], group: Path | None) -> dict[str, Any]:
    """Archive the months *names* as the API does, each in a process of its own in *group*; return what that took."""

    def enter() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text("0")

    own = {"SEVENGATE_DATABASE_URL": url, "SEVENGATE_ARCHIVE_DIR": str(folder), "SEVENGATE_MARKET": MARKET}
    begun, took = time.monotonic(), []
    for name in names:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.api.store.archive", name],
            cwd=ROOT,
            env=os.environ | own,
            preexec_fn=enter,  # noqa: PLW1509 no other thread runs
        )
        _, status, usage = os.wait4(process.pid, 0)  # of this process alone, not of the largest child so far
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{name} was not archived")
        took.append(usage)
    return {
        "seconds": round(time.monotonic() - begun, 1),
        "CPU seconds of the process": round(sum(each.ru_utime + each.ru_stime for each in took), 1),
        "its most memory, MB": round(max(each.ru_maxrss for each in took) / 1_000),
    }


async def questions(url: str, folder: Path) -> dict[str, float]:
    """Return the milliseconds of each question, the median of some rounds."""
    database = Database(url, MARKET, archive=folder)
    assert await database.start(), database.reason
    try:
        newest = await database.newest_scan() or 0
        rows = await database.rows("SELECT max(scan_id) AS newest FROM scans")
        middle = (rows[0]["newest"] or newest) - DAY_MS
        now, then = RuntimeSettings(), RuntimeSettings(thresholds=Thresholds(score=60))
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "explain": lambda: queries.decision(database, "BTCUSDT", middle),
            "288 scans of a coin": lambda: queries.decisions_before(database, "BTCUSDT", middle, 288),
            "a page of 100": lambda: queries.decisions(database, Filter().add("scan_id <= %s", middle), 100),
            "a page of 100 by score": lambda: queries.decisions(
                database, Filter().add("score >= %s", 80).add("scan_id <= %s", middle), 100
            ),
            "what-if of 3 days": lambda: compared(database, 3, (now, then)),
        }
        return {name: await _median(ask) for name, ask in asked.items()}
    finally:
        await database.close()


async def _median(ask: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - begun) * 1_000)
    return round(statistics.median(taken), 1)


def with_scans(url: str) -> list[str]:
    """Store a settled scan for each of the decisions'; return the months that these are in."""
    with psycopg.connect(url, autocommit=True, options=f"-c sevengate.market={MARKET}") as connection:
        connection.execute(
            "INSERT INTO scans (scan_id, opened_at, settled_at, seconds, symbols)"
            " SELECT DISTINCT scan_id, scan_id, scan_id, 1, 150 FROM decisions ON CONFLICT DO NOTHING"
        )
        rows = connection.execute(
            "SELECT DISTINCT to_char(to_timestamp(scan_id / 1000) AT TIME ZONE 'UTC', 'YYYY-MM') FROM decisions"
        )
        return sorted(name for (name,) in rows)


def main() -> None:
    """Fill a Postgres of its own, archive, ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", type=Path)
    parser.add_argument("--for", type=float, default=120.0, dest="seconds")
    parser.add_argument("--bars", type=Path)
    parser.add_argument("--coins", type=int, default=3)
    parser.add_argument("--days", type=float, default=6.0)
    parser.add_argument("--cgroup", type=Path, help="folder of a control group whose limits the archiving has to keep")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = (
            recorded(arguments.bars, arguments.coins, arguments.days, folder)
            if arguments.bars
            else filled(arguments.demo, arguments.seconds, arguments.days, folder)
        )
        with given as url:
            held, of_rows, count = sizes(url, moved=arguments.bars is None)
            names = with_scans(url)
            found: dict[str, Any] = {"decisions": count, "days": arguments.days}
            found["bytes a decision in Postgres"] = round(held / count, 1)
            found["of these its row"] = round(of_rows / count, 1)
            found["ms in Postgres"] = asyncio.run(questions(url, folder / "archive"))
            found |= close(url, folder / "archive", names, arguments.cgroup)
            size = sum(path.stat().st_size for path in (folder / "archive").rglob("*.parquet"))
            found["bytes a decision in the archive"] = round(size / count, 1)
            found["ms in the archive"] = asyncio.run(questions(url, folder / "archive"))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
