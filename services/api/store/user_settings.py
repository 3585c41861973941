"""User settings in Postgres: overrides, price alerts, mutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from psycopg.types.json import Jsonb

from services.api.store.database import MINE, Database, Row
from services.api.store.pages import Filter, Order, Page, read
from shared.contracts import Mute, PriceAlert

_ADD_PRICE_ALERT: Final = """
    INSERT INTO price_alerts
        (price_alert_id, symbol, condition, value, window_seconds, repeat, cooldown_seconds, note, created_at)
    VALUES (%(price_alert_id)s, %(symbol)s, %(condition)s, %(value)s, %(window_seconds)s, %(repeat)s,
        %(cooldown_seconds)s, %(note)s, %(created_at)s)
"""
_ADD_MUTE: Final = """
    INSERT INTO mutes (mute_id, until, symbol, side, kind, destination)
    VALUES (%(mute_id)s, %(until)s, %(symbol)s, %(side)s, %(kind)s, %(destination)s)
"""
_PRICE_ALERTS: Final = f"""
    SELECT p.price_alert_id, p.symbol, p.condition, p.value, p.window_seconds, p.repeat, p.cooldown_seconds, p.note,
        p.created_at, f.fired_at FROM price_alerts p LEFT JOIN LATERAL (
        SELECT a.occurred_at AS fired_at FROM alerts a
        WHERE a.market = p.market AND a.kind = 'price' AND a.subject = p.price_alert_id
        ORDER BY a.occurred_at DESC LIMIT 1
    ) f ON true WHERE {MINE} AND NOT p.removed ORDER BY p.created_at DESC, p.price_alert_id
"""
_MUTES: Final = f"""
    SELECT mute_id, until, symbol, side, kind, destination FROM mutes
    WHERE {MINE} AND until > %s ORDER BY until, mute_id
"""
_CHANGES: Final = "SELECT change_id, at, made_by, patch, undone_at FROM settings_changes"


@dataclass(frozen=True)
class UserSettings:
    """The overrides, price alerts and mutes."""

    changes: tuple[dict[str, Any], ...]  #: patches that count, in the order in which they were made
    price_alerts: tuple[PriceAlert, ...]
    mutes: tuple[Mute, ...]


async def load(database: Database, now: int) -> UserSettings:
    """Return what is in force at *now*, wall clock: no ended mutes, no spent price alerts."""
    standing = [row for row in await price_alerts(database) if stands(row)]
    return UserSettings(
        await changes(database),
        tuple(PriceAlert(**{name: row[name] for name in PriceAlert.__struct_fields__}) for row in standing),
        tuple(Mute(**row) for row in await mutes(database, now)),
    )


async def changes(database: Database, *, without: int | None = None) -> tuple[dict[str, Any], ...]:
    """Return all patches that count, oldest first; *without* one of them.

    They stay apart because two merge patches cannot always be written as one.
    """
    rows = await database.rows(
        "SELECT patch FROM settings_changes WHERE undone_at IS NULL AND change_id <> %s ORDER BY change_id",
        [-1 if without is None else without],
    )
    return tuple(row["patch"] for row in rows)


async def save_change(database: Database, patch: dict[str, Any], at: int, made_by: str = "") -> None:
    await database.execute(
        "INSERT INTO settings_changes (at, patch, made_by) VALUES (%s, %s, %s)", [at, Jsonb(patch), made_by]
    )


async def change_history(database: Database, limit: int, cursor: str | None) -> Page:
    """Return the changes that were made, newest first."""
    return await read(database, _CHANGES, Filter(), Order("change_id"), limit=limit, cursor=cursor, of_market=False)


async def undo_change(database: Database, change_id: int, at: int) -> bool:
    """Let a change count no more; return whether there was one that did."""
    query = "UPDATE settings_changes SET undone_at = %s WHERE change_id = %s AND undone_at IS NULL"
    return bool(await database.execute(query, [at, change_id]))


async def save_version(database: Database, version: int, at: int, masked: dict[str, Any]) -> None:
    """Keep what a version stamped on decisions meant."""
    await database.execute(
        "INSERT INTO settings_versions (version, at, value) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [version, at, Jsonb(masked)],
    )


async def price_alerts(database: Database) -> list[Row]:
    """Return every price alert that was not removed, with when it last fired."""
    return await database.rows(_PRICE_ALERTS)


def stands(row: Row) -> bool:
    """Return whether a price alert can still fire."""
    return bool(row["repeat"]) or row["fired_at"] is None


async def add_price_alert(database: Database, alert: PriceAlert) -> None:
    await database.execute(_ADD_PRICE_ALERT, msgspec.structs.asdict(alert))


async def remove_price_alert(database: Database, price_alert_id: str) -> bool:
    """Return whether there was one to remove."""
    query = f"UPDATE price_alerts SET removed = true WHERE {MINE} AND price_alert_id = %s AND NOT removed"
    return bool(await database.execute(query, [price_alert_id]))


async def mutes(database: Database, now: int) -> list[Row]:
    """Return the mutes that have not ended at *now*, wall clock."""
    return await database.rows(_MUTES, [now])


async def add_mute(database: Database, mute: Mute) -> None:
    await database.execute(_ADD_MUTE, msgspec.structs.asdict(mute))


async def remove_mute(database: Database, mute_id: str) -> bool:
    """Return whether there was one to remove."""
    return bool(await database.execute(f"DELETE FROM mutes WHERE {MINE} AND mute_id = %s", [mute_id]))
