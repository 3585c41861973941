"""How much is recorded: exactly where counting is quick, and about, by the planner's estimate, where it is not."""

from __future__ import annotations

from typing import Any, Final

from services.api.store.database import MINE, Database
from services.api.views.facts import Json
from shared.contracts import DAY_MS

EXACT_BELOW: Final = 20_000  #: rows by the estimate: a count reads them all
GROWING: Final = ("signals", "scans")  #: tables of which nothing is ever dropped, or little

_LAST: Final = f"SELECT max(scan_id) AS last_settled FROM scans WHERE {MINE} AND settled_at IS NOT NULL"
_OPEN: Final = f"SELECT count(*) AS n FROM signals WHERE {MINE} AND status = 'open'"
_ALERTS: Final = f"SELECT count(*) AS n FROM alerts WHERE {MINE} AND occurred_at > %s"
_DELIVERED: Final = f"SELECT status, count(*) AS reports FROM deliveries WHERE {MINE} AND at > %s GROUP BY status"
_DECISIONS: Final = """
    SELECT coalesce(sum(reltuples) FILTER (WHERE reltuples > 0), 0)::bigint AS n FROM pg_class c
    JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = 'decisions'::regclass
"""


async def load(database: Database, now: int) -> Json:
    """Return how much there is; `about` names what is an estimate, as that of the decisions is always.

    Alerts are those of the day before the last settled scan, deliveries those of the day before *now*, wall clock, ms.
    """
    (newest,) = await database.rows(_LAST)
    settled = newest["last_settled"]
    found = {table: await _rows_of(database, table) for table in GROWING}
    delivered = await database.rows(_DELIVERED, [now - DAY_MS])
    return {
        **{table: count for table, (count, _) in found.items()},
        "about": [table for table, (_, exact) in found.items() if not exact],
        "open_signals": await _number(database, _OPEN),
        # the bound as a number: with a subquery for it, the planner would read all alerts
        "alerts": await _number(database, _ALERTS, (settled or 0) - DAY_MS),
        "last_settled": settled,
        "decisions_estimated": await _number(database, _DECISIONS),
        "deliveries": {row["status"]: row["reports"] for row in delivered},
    }


async def _rows_of(database: Database, table: str) -> tuple[int, bool]:
    """Return how many rows of the market *table* has, and whether that is exact."""
    (plan,) = await database.rows(f"EXPLAIN (FORMAT JSON) SELECT FROM {table} WHERE {MINE}")
    about = int(plan["QUERY PLAN"][0]["Plan"]["Plan Rows"])
    if about >= EXACT_BELOW:
        return about, False
    return await _number(database, f"SELECT count(*) AS n FROM {table} WHERE {MINE}"), True


async def _number(database: Database, query: str, *values: Any) -> int:
    (row,) = await database.rows(query, values)
    return int(row["n"])
