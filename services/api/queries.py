"""What is read from Postgres for the routes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.api import present
from services.api.database import Database, Row
from services.api.present import Json
from shared.bus import from_wire
from shared.contracts import Alert, Decision

_SUMMARY: Final = """
    symbol, scan_id, settings_version, side, score, long_score, short_score, fmqs, confidence, regime, strength, entry,
    stop, target, reward_to_risk, weak, appeared, passed, outcome, problem, signal_id
"""
_NEWEST: Final = """
    WITH RECURSIVE symbols AS (
        (SELECT symbol FROM decisions ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT d.symbol FROM decisions d WHERE d.symbol > symbols.symbol ORDER BY d.symbol LIMIT 1)
        FROM symbols WHERE symbols.symbol IS NOT NULL
    )
    SELECT newest.record FROM symbols CROSS JOIN LATERAL (
        SELECT d.record FROM decisions d
        WHERE d.symbol = symbols.symbol AND d.scan_id > %s ORDER BY d.scan_id DESC LIMIT 1
    ) newest
"""
_COUNTS: Final = """
    SELECT (SELECT count(*) FROM signals) AS signals,
        (SELECT count(*) FROM signals WHERE status = 'open') AS open_signals,
        (SELECT count(*) FROM alerts) AS alerts, (SELECT count(*) FROM scans) AS scans,
        (SELECT max(scan_id) FROM scans WHERE settled_at IS NOT NULL) AS last_settled,
        (SELECT coalesce(sum(reltuples) FILTER (WHERE reltuples > 0), 0)::bigint FROM pg_class c
            JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = 'decisions'::regclass) AS decisions_estimated
"""
_DELIVERED: Final = "SELECT status, count(*) AS reports FROM deliveries GROUP BY status"


class Filter:
    """Conditions that are set, joined by AND; their text is the program's, their values are parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[Any] = []

    def add(self, condition: str, value: Any) -> Filter:
        """Add *condition*, which has one placeholder, unless *value* is None."""
        if value is not None:
            self.conditions.append(condition)
            self.parameters.append(value)
        return self

    @property
    def where(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


async def _page(database: Database, select: str, filters: Filter, order: str, limit: int, offset: int) -> list[Row]:
    query = f"{select}{filters.where} ORDER BY {order} LIMIT %s OFFSET %s"
    return await database.rows(query, [*filters.parameters, limit, offset])


async def signals(database: Database, filters: Filter, limit: int, offset: int) -> list[Row]:
    return await _page(database, "SELECT * FROM signals", filters, "scan_id DESC, signal_id", limit, offset)


async def scans(database: Database, filters: Filter, limit: int, offset: int) -> list[Row]:
    return await _page(database, "SELECT * FROM scans", filters, "scan_id DESC", limit, offset)


async def decisions(database: Database, filters: Filter, limit: int, offset: int) -> list[Row]:
    select = f"SELECT {_SUMMARY} FROM decisions"  # noqa: S608 constants of this file
    return await _page(database, select, filters, "scan_id DESC, score DESC, symbol", limit, offset)


async def alerts(database: Database, filters: Filter, limit: int, offset: int) -> list[Json]:
    select = "SELECT record FROM alerts"
    rows = await _page(database, select, filters, "occurred_at DESC, alert_id", limit, offset)
    found = [_read(row["record"]) for row in rows]
    return [present.alert(message) for message in found if isinstance(message, Alert)]


async def deliveries(database: Database, filters: Filter, limit: int, offset: int) -> list[Row]:
    return await _page(database, "SELECT * FROM deliveries", filters, "at DESC, report_id", limit, offset)


async def alert(database: Database, alert_id: str) -> Alert | None:
    rows = await database.rows("SELECT record FROM alerts WHERE alert_id = %s", [alert_id])
    message = _read(rows[0]["record"]) if rows else None
    return message if isinstance(message, Alert) else None


async def decision(database: Database, symbol: str, at: int) -> Decision | None:
    """Return the newest decision about *symbol* that is not later than *at*."""
    rows = await database.rows(
        "SELECT record FROM decisions WHERE symbol = %s AND scan_id <= %s ORDER BY scan_id DESC LIMIT 1", [symbol, at]
    )
    message = _read(rows[0]["record"]) if rows else None
    return message if isinstance(message, Decision) else None


async def newest_decisions(database: Database, since: int) -> list[Decision]:
    """Return the newest decision about every symbol, of scans after *since*."""
    found = [_read(row["record"]) for row in await database.rows(_NEWEST, [since])]
    return [message for message in found if isinstance(message, Decision)]


def _read(record: bytes) -> Any:
    """Return the message in *record*, None where a later program cannot read it any more."""
    try:
        return from_wire(bytes(record))
    except msgspec.DecodeError:
        return None


async def counts(database: Database) -> Json:
    """Return how much there is; of decisions the planner's estimate."""
    values: Json = (await database.rows(_COUNTS))[0]
    values["deliveries"] = {row["status"]: row["reports"] for row in await database.rows(_DELIVERED)}
    return values
