"""Lists page by key: whatever the filter, a page begins in an index where the one before ended."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.context import Context
from services.api.store import queries
from services.api.store.database import Row
from services.api.store.pages import Filter, encode_cursor
from shared.contracts import SCAN_MS
from tests.integration.api import facts

SCANS = 40
FILL = """
    INSERT INTO decisions (symbol, scan_id, settings_version, side, score, long_score, short_score, agreement, regime,
        strength, appeared, passed, outcome, problem, signal_id)
    SELECT 'C' || coin || 'USDT', %s + scan * %s, 1, 'long', (coin * 37 + scan * 11) %% 100, 0, 0, 0, 'RANGING', 1,
        scan %% 9 = 0, scan %% 18 = 0, CASE scan %% 9 WHEN 0 THEN 'cooldown' ELSE 'rejected' END, '', ''
    FROM generate_series(0, 29) AS coin, generate_series(0, %s) AS scan
"""
CHOICES: tuple[tuple[tuple[str, Any], ...], ...] = (
    (),
    (("symbol = %s", "C3USDT"),),
    (("outcome = %s", "cooldown"),),
    (("outcome = %s", "rejected"),),
    tuple(queries.passing(passed=True)),
    tuple(queries.passing(passed=False)),
    (("score >= %s", 75),),
    (("score >= %s", 75), ("symbol = %s", "C3USDT")),
)


@pytest.fixture
async def filled(api: Context) -> list[Row]:
    """1,200 decisions of 40 scans; in the order of a list."""
    await api.database.execute("CREATE TABLE decisions_all PARTITION OF decisions DEFAULT")
    await api.database.execute(FILL, [facts.SCAN, SCAN_MS, SCANS - 1])
    rows = await api.database.rows("SELECT * FROM decisions")
    return sorted(rows, key=lambda row: (-row["scan_id"], row["symbol"]))


def fitting(rows: list[Row], choice: tuple[tuple[str, Any], ...]) -> list[tuple[int, str]]:
    def fits(row: Row) -> bool:
        return all(
            row["score"] >= value if ">=" in condition else row[condition.split()[0]] == value
            for condition, value in choice
        )

    return [(row["scan_id"], row["symbol"]) for row in rows if fits(row)]


async def test_pages_joined_are_the_whole_list(api: Context, filled: list[Row]) -> None:
    """Nothing twice, nothing left out, with every filter, where many rows share a time."""
    for choice in CHOICES:
        found, cursor = list[tuple[int, str]](), None
        while True:
            filters = Filter()
            for condition, value in choice:
                filters.add(condition, value)
            page = await queries.decisions(api.database, filters, 7 if choice else 97, cursor)
            found += [(row["scan_id"], row["symbol"]) for row in page.rows]
            if (cursor := page.next_cursor) is None:
                break
        assert found == fitting(filled, choice), choice
        assert found


async def test_a_page_deep_in_the_list_reads_no_more_than_the_first(api: Context, filled: list[Row]) -> None:
    """The cursor is where the index is entered, not what rows are compared with."""
    at = filled[len(filled) - 200]
    filters = Filter().behind(queries.NEWEST_DECISIONS, encode_cursor(at["scan_id"], at["symbol"]))
    query = f"{queries.DECISIONS}{filters.where}{queries.NEWEST_DECISIONS.clause} LIMIT 5"
    async with api.database.connection() as connection:
        await connection.execute("ANALYZE decisions_all")
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL enable_bitmapscan = off")
        explained = await connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}".encode(), filters.parameters)
        rows = await explained.fetchall()
    (scan,) = [node for node in nodes(rows[0]["QUERY PLAN"][0]["Plan"]) if "Index Name" in node]
    assert f"scan_id <= '{at['scan_id']}'" in scan["Index Cond"]
    assert scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) < 100


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]
