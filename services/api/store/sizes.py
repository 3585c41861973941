"""How large the stores are, how fast they grow, and when the disk will be full."""

from __future__ import annotations

from typing import Any, Final

from services.api.store.database import Database, Row
from shared.contracts import DAY_MS, HOUR_MS

SPAN_MS: Final = 7 * DAY_MS  #: growth is taken over the last week
LEAST_MS: Final = 6 * HOUR_MS  #: a shorter time says nothing of a day
SAMPLED_MS: Final = HOUR_MS  #: between two samples
KEPT_MS: Final = 30 * DAY_MS
STORES: Final = ("database_bytes", "bus_bytes", "archive_bytes")
_SAMPLE: Final = """
    INSERT INTO store_sizes (at, database_bytes, bus_bytes, archive_bytes, disk_free)
    SELECT %(at)s, %(database_bytes)s, %(bus_bytes)s, %(archive_bytes)s, %(disk_free)s
    WHERE NOT EXISTS (SELECT FROM store_sizes WHERE at > %(at)s - %(between)s) ON CONFLICT DO NOTHING
"""
_OLDEST: Final = "SELECT * FROM store_sizes WHERE at >= %s ORDER BY at LIMIT 1"


async def now(database: Database) -> int:
    """Return the size of the database, bytes."""
    rows = await database.rows("SELECT pg_database_size(current_database()) AS bytes")
    return int(rows[0]["bytes"])


async def sample(database: Database, sizes: dict[str, int], at: int) -> None:
    """Keep *sizes* as of *at*, wall clock, ms, where an hour has passed since the last time."""
    await database.execute(_SAMPLE, {**sizes, "at": at, "between": SAMPLED_MS})
    await database.execute("DELETE FROM store_sizes WHERE at < %s", [at - KEPT_MS])


async def growth(database: Database, sizes: dict[str, int], at: int) -> dict[str, Any]:
    """Return what `of` says about *sizes* and the oldest sample of the last week."""
    rows = await database.rows(_OLDEST, [at - SPAN_MS])
    return of(rows[0] if rows else None, sizes, at)


def of(earlier: Row | None, sizes: dict[str, int], at: int) -> dict[str, Any]:
    """Return how much each store grew a day since *earlier*, and in how many days the disk will be full at that pace.

    Null: not known yet; `full_in_days` also where the free space does not shrink.
    """
    unknown = {f"{name}_a_day": None for name in STORES} | {"full_in_days": None}
    if earlier is None or at - earlier["at"] < LEAST_MS:
        return unknown
    days = (at - earlier["at"]) / DAY_MS
    shrinks = (earlier["disk_free"] - sizes["disk_free"]) / days
    return {f"{name}_a_day": (sizes[name] - earlier[name]) / days for name in STORES} | {
        "full_in_days": sizes["disk_free"] / shrinks if shrinks > 0 else None
    }
