"""Page queries over a long history: every filter of every list, and pages deep in it.

What the server takes (EXPLAIN ANALYZE's execution time, the quickest of some rounds, ms), and each list's slowest plan.
Decisions are those of `benchmarks.stored_decisions`; signals, alerts and deliveries are made up in SQL, as many as such
a history would have.  Run as ``python -m benchmarks.pages [--days 463] [--demo DIR] [--plans FILE]``; the last line is
JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.stored_decisions import filled
from services.api.store import counts, queries
from services.api.store.database import Database, Row
from services.api.store.pages import Filter, Page, encode_cursor
from shared.config.environment import MARKET

ROUNDS: Final = 3
LIMIT: Final = 100
SCANS: Final = """
    INSERT INTO scans (market, scan_id, opened_at, symbols, settled_at, analysed, seconds)
    SELECT DISTINCT market, scan_id, scan_id, 150, scan_id, 150, 1 FROM decisions ON CONFLICT DO NOTHING
"""
SIGNALS: Final = """
    INSERT INTO signals (market, signal_id, alert_id, symbol, side, scan_id, entry, stop, target, status, closed_at)
    SELECT market, symbol || ':' || scan_id, 'signal:' || symbol || ':' || scan_id, symbol, side, scan_id, 1, 1, 1,
        CASE WHEN scan_id > (SELECT max(scan_id) - 86400000 FROM decisions) THEN 'open'
            ELSE (ARRAY['target', 'stop', 'invalidated', 'expired'])[1 + scan_id / 300000 % 4] END, scan_id + 3600000
    FROM decisions WHERE appeared ON CONFLICT DO NOTHING
"""
ALERTS: Final = """
    INSERT INTO alerts (market, alert_id, kind, symbol, side, scan_id, occurred_at, created_at, parent_id, held_by,
        subject, record)
    SELECT market, kind || ':' || signal_id, kind, CASE kind WHEN 'system' THEN '' ELSE symbol END,
        CASE WHEN kind IN ('signal', 'lifecycle') THEN side END, scan_id, scan_id, scan_id, '', '', signal_id, ''
    FROM signals, unnest(ARRAY['signal', 'lifecycle', 'anomaly', 'system']) AS kind
    WHERE kind <> 'system' OR scan_id / 300000 % 50 = 0 ON CONFLICT DO NOTHING
"""
DELIVERIES: Final = """
    INSERT INTO deliveries (market, report_id, alert_id, destination, channel, attempt, status, at, reason, detail,
        reference, seconds)
    SELECT market, alert_id || ':' || name, alert_id, name, 'webhook', 1,
        CASE WHEN scan_id / 300000 % 500 = 0 THEN 'rejected' ELSE 'sent' END, occurred_at, '', '', '', 0.1
    FROM alerts, unnest(ARRAY['phone', 'house', 'office']) AS name ON CONFLICT DO NOTHING
"""
NOTHING: Final[dict[str, list[tuple[str, Any]]]] = {"": []}
Read = Callable[[Database, Filter, int, str | None], Awaitable[Page]]


def choices(symbol: str, scan: int, span: int) -> dict[str, tuple[Read, str, list[dict[str, list[tuple[str, Any]]]]]]:
    """Return, by list, its query, its order's column, and what each of its filters may be: name -> conditions."""
    of_symbol = NOTHING | {"symbol": [("symbol = %s", symbol)], "unknown symbol": [("symbol = %s", "NOUSDT")]}
    side = NOTHING | {"side": [("side = %s", "short")]}

    def times(column: str) -> dict[str, list[tuple[str, Any]]]:
        return NOTHING | {
            "since": [(f"{column} >= %s", scan)],
            "until": [(f"{column} <= %s", scan)],
            "within": [(f"{column} >= %s", scan), (f"{column} <= %s", scan + span // 20)],
        }

    outcomes = ("alerted", "grouped", "muted", "rejected", "not analysed", "already open", "cooldown", "late")
    statuses = ("open", "target", "expired")
    verdicts = NOTHING | {f"outcome={name}": [("outcome = %s", name)] for name in outcomes}
    verdicts |= {f"passed={value}": queries.passing(passed=value) for value in (True, False)}
    verdicts |= {f"appeared={value}": [("appeared = %s", value)] for value in (True, False)}
    verdicts |= {f"min_score={score}": [("score >= %s", score)] for score in (50, 65, 75, 85, 99)}
    status = (
        NOTHING
        | {f"status={name}": [("status = %s", name)] for name in statuses}
        | {"status=closed": [("status <> %s", "open")]}
    )
    kinds = NOTHING | {f"kind={name}": [("kind = %s", name)] for name in ("signal", "anomaly", "system", "group")}
    reports = NOTHING | {f"status={name}": [("status = %s", name)] for name in ("sent", "rejected", "expired")}
    places = NOTHING | {f"destination={name}": [("destination = %s", name)] for name in ("phone", "gone")}
    return {
        "decisions": (queries.decisions, "scan_id", [verdicts, of_symbol, times("scan_id")]),
        "signals": (queries.signals, "scan_id", [status, of_symbol, side, times("scan_id")]),
        "scans": (queries.scans, "scan_id", [times("scan_id")]),
        "alerts": (queries.alerts, "occurred_at", [kinds, of_symbol, side, times("occurred_at")]),
        "deliveries": (queries.deliveries, "at", [reports, places, times("at")]),
    }


@dataclass(frozen=True)
class Asked:
    """A statement with its values, and whether its rows were wanted in the order of an index."""

    query: str
    parameters: Any
    in_order: bool


class Observed(Database):
    """A database that notes what it is asked."""

    def __init__(self, url: str, market: str) -> None:
        super().__init__(url, market)
        self.asked: list[Asked] = []

    async def rows(self, query: str, parameters: Any = (), *, in_order: bool = False) -> list[Row]:
        if not query.startswith("EXPLAIN"):  # it only plans
            self.asked.append(Asked(query, parameters, in_order))
        return await super().rows(query, parameters, in_order=in_order)

    async def explain(self, asked: Asked, options: str) -> list[Row]:
        """Return the plan of a statement."""
        return await super().rows(f"EXPLAIN ({options}) {asked.query}", asked.parameters, in_order=asked.in_order)


async def measure(url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what pages take, and the plan of each list's slowest page."""
    database = Observed(url, MARKET)
    assert await database.start(), database.reason
    (row,) = await database.rows("SELECT min(scan_id) AS first, max(scan_id) AS last FROM decisions")
    (coin,) = await database.rows("SELECT symbol FROM decisions LIMIT 1")
    first, last = row["first"], row["last"]
    middle = (first + last) // 2 // 300_000 * 300_000
    found: dict[str, Any] = {}
    plans: dict[str, str] = {}
    try:
        for name, (read, _, parts) in choices(coin["symbol"], middle, last - first).items():
            taken: dict[str, float] = {}
            slowest = 0.0
            for combination in itertools.product(*(part.items() for part in parts)):
                for depth, cursor in (("", None), (" deep", encode_cursor(first + (last - first) // 4, ""))):
                    label = (" & ".join(key for key, _ in combination if key) or "all") + depth
                    conditions = [each for _, several in combination for each in several]
                    taken[label] = await quickest(database, partial(page, database, read, conditions, cursor))
                    if taken[label] > slowest:
                        slowest = taken[label]
                        plans[name] = f"{name}: {label}, {slowest} ms\n{await plans_of(database)}"
            ordered = sorted(taken.items(), key=lambda item: -item[1])
            found[name] = {
                "pages": len(taken),
                "median": statistics.median(taken.values()),
                "slowest": dict(ordered[:6]),
            }
        found["counts"] = await quickest(database, lambda: counts.load(database, last))
        found["explain"] = await quickest(database, lambda: queries.decision(database, coin["symbol"], middle))
        found["a day's gates"] = await quickest(
            database, lambda: queries.decisions_before(database, coin["symbol"], middle, 288)
        )
        found["newest of each coin"] = await quickest(
            database, lambda: queries.newest_decisions(database, last - 3_600_000)
        )
        (held,) = await database.rows("SELECT count(*) AS n FROM decisions")
        found["decisions stored"] = held["n"]
    finally:
        await database.close()
    return found, plans


async def page(database: Database, read: Read, conditions: list[tuple[str, Any]], cursor: str | None) -> Page:
    return await read(database, filters(conditions), LIMIT, cursor)


def filters(conditions: list[tuple[str, Any]]) -> Filter:
    made = Filter()
    for condition, value in conditions:
        made.add(condition, value)
    return made


async def quickest(database: Observed, ask: Callable[[], Awaitable[object]]) -> float:
    """Return what the server takes for the statements of *ask*, ms."""
    database.asked.clear()
    await ask()
    taken = [await execution_time(database, asked) for asked in database.asked for _ in range(ROUNDS)]
    return round(sum(min(taken[start : start + ROUNDS]) for start in range(0, len(taken), ROUNDS)), 2)


async def execution_time(database: Observed, asked: Asked) -> float:
    rows = await database.explain(asked, "ANALYZE, FORMAT JSON")
    return float(rows[0]["QUERY PLAN"][0]["Execution Time"])


async def plans_of(database: Observed) -> str:
    """Return the plans of the statements that were asked last."""
    found = [await database.explain(asked, "ANALYZE, BUFFERS, COSTS OFF, TIMING OFF") for asked in database.asked]
    return "\n\n".join("\n".join(row["QUERY PLAN"] for row in rows) for rows in found)


def fill(url: str) -> None:
    """Make what such a history would have besides decisions."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (SCANS, SIGNALS, ALERTS, DELIVERIES, "VACUUM ANALYZE"):
            connection.execute(statement.encode())


def show(found: dict[str, Any], plans: dict[str, str], file: Path | None) -> Iterator[str]:
    """Yield what is printed; write the *plans* to *file*."""
    if file is not None:
        file.write_text("\n\n".join(plans.values()) + "\n", encoding="utf-8")
    yield json.dumps(found, indent=1)


def main() -> None:
    """Fill a Postgres of its own, ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", type=Path)
    parser.add_argument("--for", type=float, default=180.0, dest="seconds")
    parser.add_argument("--days", type=float, default=463.0)
    parser.add_argument("--plans", type=Path)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        filled(arguments.demo, arguments.seconds, arguments.days, Path(folder)) as url,
    ):
        fill(url)
        for line in show(*asyncio.run(measure(url)), arguments.plans):
            print(line)


if __name__ == "__main__":
    main()
