"""The stores and the disk are measured where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api import gauges
from services.api.context import Context
from services.api.store import sizes
from services.api.store.database import Database
from shared import metrics
from shared.bus import RedisBus
from shared.contracts import DAY_MS, HOUR_MS


async def test_the_stores_are_measured(fresh_valkey: str, fresh_database: str) -> None:
    """Memory, dead letters and the database's size are what the stores say."""
    bus, database = RedisBus(fresh_valkey), Database(fresh_database)
    try:
        assert await database.start()
        await bus.redis.xadd(
            bus.key("dead"), {"stream": "scans", "group": "g", "entry_id": "1-0", "error": "e", "tries": 5, "d": b""}
        )
        await gauges.measure_buses([bus])
        await gauges.measure_database(database)
    finally:
        await bus.close()
        await database.close()
    assert metrics.DEAD_LETTERS._value.get() == 1
    assert metrics.BUS_BYTES._value.get() > 100_000
    assert metrics.DATABASE_BYTES._value.get() > 1_000_000


def test_the_disk_is_measured_before_the_folder_exists(tmp_path: Path) -> None:
    """A folder that is not there yet is measured by its nearest parent."""
    gauges.measure_disk(tmp_path / "not" / "yet")
    assert 0 < metrics.DISK_FREE._value.get() < metrics.DISK_TOTAL._value.get()


SIZES = {"database_bytes": 2_000, "bus_bytes": 500, "archive_bytes": 300, "disk_free": 9_000}


def row(at: int, **changes: int) -> dict[str, Any]:
    return {"at": at, **SIZES, **changes}


def test_growth_is_that_of_a_day_and_fills_the_disk() -> None:
    """From the oldest sample of a week to now; the pace is that of the free space, whoever takes it."""
    found = sizes.of(row(0, database_bytes=1_000, bus_bytes=600, disk_free=9_900), SIZES, 2 * DAY_MS)
    assert found == {
        "database_bytes_a_day": 500.0,
        "bus_bytes_a_day": -50.0,
        "archive_bytes_a_day": 0.0,
        "full_in_days": 20.0,
    }


@pytest.mark.parametrize("earlier", [None, row(DAY_MS - 5 * HOUR_MS)], ids=["none", "five hours"])
def test_what_is_not_known_is_not_said(earlier: dict[str, Any] | None) -> None:
    """Some hours say nothing of a day."""
    assert set(sizes.of(earlier, SIZES, DAY_MS).values()) == {None}


def test_a_disk_that_empties_is_never_full() -> None:
    assert sizes.of(row(0, disk_free=8_000), SIZES, DAY_MS)["full_in_days"] is None


async def test_sizes_are_kept_by_the_hour_for_a_month(api: Context) -> None:
    """Whoever asks again within the hour adds nothing; what is older than a month goes."""
    for at in (0, HOUR_MS - 1, HOUR_MS, 20 * DAY_MS, 31 * DAY_MS):
        await sizes.sample(api.database, SIZES, at)
    rows = await api.database.rows("SELECT at FROM store_sizes ORDER BY at")
    assert [each["at"] for each in rows] == [20 * DAY_MS, 31 * DAY_MS]
    later = SIZES | {"database_bytes": 3_000}
    found = await sizes.growth(api.database, later, 26 * DAY_MS)
    assert found["database_bytes_a_day"] == pytest.approx(1_000 / 6)


async def test_the_status_says_what_the_stores_take(api: Context, client: httpx.AsyncClient) -> None:
    """And how that grew, once there is a sample of before."""
    shown = (await client.get("/api/status")).json()["storage"]
    assert shown["database_bytes"] > 1_000_000
    assert 0 < shown["disk_free"] < shown["disk_bytes"]
    assert shown["bus_bytes"] > 100_000
    assert (shown["database_bytes_a_day"], shown["full_in_days"]) == (None, None)
    before = """
        INSERT INTO store_sizes (at, database_bytes, bus_bytes, disk_free)
        SELECT extract(epoch FROM now())::bigint * 1000 - %s, 0, 0, %s
    """
    await api.database.execute(before, [DAY_MS, shown["disk_bytes"]])
    shown = (await client.get("/api/status")).json()["storage"]
    assert shown["database_bytes_a_day"] == pytest.approx(shown["database_bytes"], rel=0.01)
    assert shown["full_in_days"] > 0
