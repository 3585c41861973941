"""Outcomes as rows, and rows as outcomes."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from psycopg.types.json import Jsonb

from services.api.store.database import MINE, Database
from shared.contracts import DAY_MS, Comparable, Outcome
from shared.odds import SIMILAR_AT_LEAST, band_of, reward_of

_REWARD: Final = "abs(target - entry) / abs(entry - stop)"
_COLUMNS: Final = Outcome.__struct_fields__
_SET: Final = ", ".join(f"{column} = EXCLUDED.{column}" for column in _COLUMNS[1:])
_VALUES: Final = ", ".join(f"%({column})s" for column in _COLUMNS)
#: An end stands; what was begun is ended once, and a control that waited for its moment is entered once.
OUTCOME: Final = (
    f"INSERT INTO outcomes ({', '.join(_COLUMNS)}) VALUES ({_VALUES}) "
    f"ON CONFLICT (market, outcome_id) DO UPDATE SET {_SET} "
    "WHERE outcomes.result = '' AND (EXCLUDED.result <> '' OR (outcomes.entry = 0 AND EXCLUDED.entry > 0))"
)
_SELECT: Final = (
    f"SELECT {', '.join(_COLUMNS)}, status FROM outcomes "
    "LEFT JOIN "
    f"(SELECT signal_id, status FROM signals WHERE {MINE}) AS alerted ON signal_id = outcome_id AND kind = 'signal' "
    f"WHERE {MINE} AND"
)


def parameters(outcome: Outcome) -> dict[str, Any]:
    """Return the statement's values."""
    return msgspec.structs.asdict(outcome) | {"estimated": Jsonb(list(outcome.estimated))}


def of_row(row: dict[str, Any]) -> Outcome:
    """Return the outcome in *row*; a signal's carries how its lifecycle ended."""
    status = row.pop("status", None)
    ended_by = status if status not in (None, "open") else row["lifecycle"]
    return Outcome(**row | {"estimated": tuple(row["estimated"]), "lifecycle": ended_by})


async def followed(database: Database) -> tuple[Outcome, ...]:
    """Return the outcomes that have begun and not ended, oldest first."""
    rows = await database.rows(f"{_SELECT} result = '' ORDER BY outcomes.scan_id, outcome_id")
    return tuple(of_row(row) for row in rows)


async def ended(database: Database, since: int) -> list[Outcome]:
    """Return the outcomes that ended at *since* or later."""
    return [of_row(row) for row in await database.rows(f"{_SELECT} result <> '' AND ended_at >= %s", [since])]


async def to_publish(database: Database, since: int, before: int) -> list[Outcome]:
    """Return the signals and anomalies that ended at *since* or later, and before *before*."""
    rows = await database.rows(
        f"{_SELECT} (kind = 'signal' OR kind LIKE 'anomaly%%') AND result <> '' AND ended_at >= %s AND ended_at < %s",
        [since, before],
    )
    return [of_row(row) for row in rows]


async def similar(database: Database, own: Outcome, days: int) -> Comparable | None:
    """Return how setups like *own* went that ended in the *days* days before it, None of fewer than 30."""
    low, high = band_of(reward_of(own.entry, own.stop, own.target))
    found = (
        await database.rows(
            f"SELECT count(*) AS n, avg((result = 'target')::int)::float8 AS hit_rate, "
            f"avg((1 + cost_r) / (1 + {_REWARD})) AS break_even FROM outcomes "
            f"WHERE {MINE} AND kind = 'signal' AND result <> '' AND ended_at >= %s AND ended_at <= %s AND side = %s "
            f"AND {_REWARD} >= %s AND {_REWARD} < %s",
            [own.scan_id - days * DAY_MS, own.scan_id, own.side, low, high],
        )
    )[0]
    return Comparable(side=own.side, low=low, high=high, days=days, **found) if found["n"] >= SIMILAR_AT_LEAST else None


async def newest(database: Database) -> int:
    """Return when the newest outcome ended, 0 without one."""
    rows = await database.rows(f"SELECT COALESCE(max(ended_at), 0) AS at FROM outcomes WHERE {MINE} AND result <> ''")
    return int(rows[0]["at"])


async def of_subject(database: Database, subject_id: str) -> list[Outcome]:
    """Return a signal's or near miss's outcome and those of its controls."""
    rows = await database.rows(f"{_SELECT} subject_id = %s ORDER BY outcome_id", [subject_id])
    return [of_row(row) for row in rows]


async def mark(database: Database) -> tuple[int, int]:
    """Return how many outcomes ended in the newest day, and when the newest did: what a record follows from."""
    at = await newest(database)
    rows = await database.rows(
        f"SELECT count(*) AS n FROM outcomes WHERE {MINE} AND result <> '' AND ended_at > %s", [at - DAY_MS]
    )
    return rows[0]["n"], at
