"""The routes' queries of Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from services.api import views
from services.api.schemas.coins import DecisionShown, ScanShown
from services.api.schemas.signals import Delivery, Signal
from services.api.store.archive import months, reading
from services.api.store.archive.months import ArchivedMonth
from services.api.store.database import MINE, Database, Row
from services.api.store.ladder import whole
from services.api.store.ladder.record import readable
from services.api.store.pages import Filter, Order, Page, cut, read, rows_of
from services.api.views.facts import Json
from shared.contracts import Alert, Decision


def _select(columns: Any, table: str) -> str:
    return f"SELECT {', '.join(columns)} FROM {table}"


SIGNALS: Final = _select(Signal.model_fields, "signals")
SCANS: Final = _select(ScanShown.model_fields, "scans")
DECISIONS: Final = _select(DecisionShown.model_fields, "decisions")
NEWEST_DECISIONS: Final = Order("scan_id", "symbol")
DELIVERIES: Final = _select(Delivery.model_fields, "deliveries")
ALERTS: Final = "SELECT record, occurred_at, alert_id FROM alerts"
_NEWEST: Final = f"""
    WITH RECURSIVE symbols AS (
        (SELECT symbol FROM decisions WHERE {MINE} ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT d.symbol FROM decisions d WHERE {MINE} AND d.symbol > symbols.symbol ORDER BY d.symbol LIMIT 1)
        FROM symbols WHERE symbols.symbol IS NOT NULL
    )
    SELECT newest.* FROM symbols CROSS JOIN LATERAL (
        {whole.SELECT} WHERE d.{MINE} AND d.symbol = symbols.symbol AND d.scan_id > %s ORDER BY d.scan_id DESC LIMIT 1
    ) newest
"""


def passing(*, passed: bool | None) -> list[tuple[str, bool]]:
    """Return the conditions for decisions that *passed*, or did not; what passed has appeared, which has an index."""
    if passed is None:
        return []
    return [("passed = %s", passed), *([("appeared = %s", True)] if passed else [])]


async def signals(database: Database, filters: Filter, limit: int, cursor: str | None = None) -> Page:
    page = await read(database, SIGNALS, filters, Order("scan_id", "signal_id"), limit=limit, cursor=cursor)
    return Page([row | {"worth": _worth(row)} for row in page.rows], page.next_cursor)


def _worth(row: Row) -> Json | None:
    return views.worth.shown(views.worth.of_row(row["worth"]), row["entry"], row["stop"], row["target"])


async def scans(database: Database, filters: Filter, limit: int, cursor: str | None = None) -> Page:
    return await read(database, SCANS, filters, Order("scan_id"), limit=limit, cursor=cursor)


async def decisions(database: Database, filters: Filter, limit: int, cursor: str | None = None) -> Page:
    """Return decisions, newest first: from Postgres, and behind them from the archive."""
    filters.behind(NEWEST_DECISIONS, cursor)
    mine = filters.copy()
    mine.conditions.append(MINE)
    rows = await rows_of(database, DECISIONS, mine, NEWEST_DECISIONS, limit)
    return cut(await _continued(database, rows, filters, limit), NEWEST_DECISIONS, limit)


async def _continued(database: Database, rows: list[Row], filters: Filter, limit: int) -> list[Row]:
    """Return *rows* of Postgres with those of archived months, of all the first *limit* and one more."""
    found = {(-row["scan_id"], row["symbol"]): row for row in rows}
    stored = len(found)
    columns = tuple(DecisionShown.model_fields)
    where = f"{filters.where.replace('%s', '?')}{NEWEST_DECISIONS.clause} LIMIT ?"
    for month in [month for month in await months.held(database) if _may_have(month, filters)]:
        if sum(-scan > month.last_scan for scan, _ in found) > limit:
            break
        for row in await reading.rows(database, month, columns, where, [*filters.parameters, limit + 1]):
            found.setdefault((-row["scan_id"], row["symbol"]), row)
    return rows if len(found) == stored else [found[key] for key in sorted(found)[: limit + 1]]


def _may_have(month: ArchivedMonth, filters: Filter) -> bool:
    """Return whether *month* may have decisions that fit, by its coins and its span."""
    for condition, (value, *_) in filters.given():
        if condition == "symbol = %s" and value not in month.symbols:
            return False
        if condition in ("scan_id >= %s", "scan_id = %s") and month.last_scan < value:
            return False
        if condition.startswith(("scan_id <= %s", "scan_id = %s")) and month.first_scan > value:
            return False
    return True


async def alerts(database: Database, filters: Filter, limit: int, cursor: str | None = None) -> Page:
    page = await read(database, ALERTS, filters, Order("occurred_at", "alert_id"), limit=limit, cursor=cursor)
    found = [readable(row["record"]) for row in page.rows]
    return Page([views.alerts.alert(message) for message in found if isinstance(message, Alert)], page.next_cursor)


async def deliveries(database: Database, filters: Filter, limit: int, cursor: str | None = None) -> Page:
    return await read(database, DELIVERIES, filters, Order("at", "report_id"), limit=limit, cursor=cursor)


async def deliveries_of(database: Database, alert_ids: list[str]) -> list[Row]:
    """Return every attempt to send any of *alert_ids*, newest first."""
    query = f"{DELIVERIES} WHERE {MINE} AND alert_id = ANY(%s) ORDER BY at DESC, report_id LIMIT 1000"
    return await database.rows(query, [alert_ids])


async def alert(database: Database, alert_id: str) -> Alert | None:
    rows = await database.rows(f"SELECT record FROM alerts WHERE {MINE} AND alert_id = %s", [alert_id])
    message = readable(rows[0]["record"]) if rows else None
    return message if isinstance(message, Alert) else None


async def alerts_about(database: Database, subject: str) -> list[Alert]:
    """Return the alerts about *subject*, oldest first."""
    rows = await database.rows(
        f"SELECT record FROM alerts WHERE {MINE} AND subject = %s ORDER BY occurred_at, alert_id LIMIT 1000", [subject]
    )
    return [message for row in rows if isinstance(message := readable(row["record"]), Alert)]


async def decision(database: Database, symbol: str, at: int) -> Decision | None:
    """Return the newest decision about *symbol* that is not later than *at*."""
    found = await decisions_before(database, symbol, at, 1)
    return found[0] if found else None


async def decisions_before(database: Database, symbol: str, at: int, limit: int) -> list[Decision]:
    """Return the newest decisions about *symbol* that are not later than *at*, newest first; old ones are narrow.

    Behind the oldest month in Postgres come the archive's, and those kept for ever: signals and near misses.
    """
    rows = await database.rows(
        f"{whole.SELECT} WHERE d.{MINE} AND d.symbol = %s AND d.scan_id <= %s ORDER BY d.scan_id DESC LIMIT %s",
        [symbol, at, limit],
    )
    if len(rows) < limit:
        outliving = await database.rows(
            f"{whole.OUTLIVING} WHERE {MINE} AND symbol = %s AND scan_id <= %s ORDER BY scan_id DESC LIMIT %s",
            [symbol, at, limit],
        )
        known = {row["scan_id"]: row for row in [*outliving, *rows]}
        rows = await reading.newest_of(database, symbol, at, limit, known.values())
    return [found for row in rows if (found := whole.decision_of(row)) is not None]


async def newest_decisions(database: Database, since: int) -> list[Decision]:
    """Return the newest decision about every symbol, of scans after *since*."""
    rows = await database.rows(_NEWEST, [since])
    return [found for row in rows if (found := whole.decision_of(row)) is not None]


async def count_signals(database: Database, filters: Filter) -> int:
    """Return how many signals fit."""
    filters.conditions.append(MINE)
    (row,) = await database.rows(f"SELECT count(*) AS n FROM signals{filters.where}", filters.parameters)
    return int(row["n"])


async def every_signal(database: Database, filters: Filter, *, batch: int = 1_000) -> AsyncIterator[list[Row]]:
    """Yield all signals, newest first, in batches; each goes on behind the one before."""
    cursor: str | None = None
    while True:
        page = await signals(database, filters.copy(), batch, cursor)
        yield page.rows
        cursor = page.next_cursor
        if cursor is None:
            return
