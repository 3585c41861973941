"""A question is answered alike before and after its month was archived, and not at all where the file is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from services.api.context import Context
from services.api.store.archive import keeping, months
from services.api.store.archive.closing import close_month
from services.api.store.archive.duck import opened
from services.api.store.database import month_of
from shared.contracts import SCAN_MS
from tests.integration.api import archived

MIDDLE = archived.september()[20]
LISTS: tuple[dict[str, Any], ...] = (
    {},
    {"symbol": "BBB"},
    {"scan_id": MIDDLE},
    {"outcome": "rejected", "min_score": 88.5},
    {"passed": True},
    {"passed": False, "appeared": True},
    {"since": MIDDLE, "until": archived.OCTOBER},
    {"until": MIDDLE, "symbol": "AAA"},
    {"symbol": "ZZZ"},
)


@pytest.fixture
async def filled(api: Context) -> Context:
    """A market of three months."""
    await archived.fill(api.database)
    return api


async def listed(client: httpx.AsyncClient, query: dict[str, Any], limit: int = 7) -> list[dict[str, Any]]:
    """Return what a list has, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = await client.get("/api/decisions", params={"limit": limit, **query, **cursor})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json()["next_cursor"]}


async def explained(client: httpx.AsyncClient, symbol: str, at: int, scans: int) -> Any:
    answer = await client.get(f"/api/coins/{symbol}/explain", params={"at": at, "scans": scans})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_lists_are_the_same(filled: Context, client: httpx.AsyncClient) -> None:
    """Every filter, over every page, with late rows of an archived month among them."""
    before = [await listed(client, query) for query in LISTS]
    assert [len(found) for found in before[:3]] == [126, 42, 3]
    assert [bool(found) for found in before] == [True] * 5 + [False, True, True, False]
    close_month(archived.place(filled.database), archived.MONTH)
    assert [await listed(client, query) for query in LISTS] == before
    filled.database.partitions_end(month_of(archived.OCTOBER))
    await archived.store(filled.database, archived.decisions([MIDDLE], ("AAAUSDT",)))
    keys = [(item["scan_id"], item["symbol"]) for item in await listed(client, {})]
    assert keys == [(item["scan_id"], item["symbol"]) for item in before[0]]


async def test_gates_are_explained_the_same(filled: Context, client: httpx.AsyncClient) -> None:
    """At any scan, with the scans before it across the months; plain refusals, near misses and signals."""
    await filled.database.execute("DELETE FROM whole_decisions WHERE NOT kept")
    asked = [
        (coin, at, scans)
        for coin in archived.COINS
        for at, scans in ((archived.NEWEST, 100), (MIDDLE, 10), (archived.FIRST, 1), (archived.OCTOBER - 1, 3))
    ]
    before = [await explained(client, *each) for each in asked]
    assert len(before[0]["history"]) == 42
    assert {item["outcome"] for one in before for item in one["history"]} > {"rejected"}
    close_month(archived.place(filled.database), archived.MONTH)
    assert [await explained(client, *each) for each in asked] == before
    nothing = await client.get("/api/coins/AAAUSDT/explain", params={"at": archived.FIRST - SCAN_MS})
    assert nothing.status_code == 404


async def test_a_missing_file_is_named_and_nothing_is_left_out(filled: Context, client: httpx.AsyncClient) -> None:
    """Who asks into its month hears so; what needs Postgres alone is answered."""
    close_month(archived.place(filled.database), archived.MONTH)
    (month,) = await months.held(filled.database)
    path = month.path(archived.place(filled.database).archive)
    path.rename(path.with_suffix(".away"))
    for address, query in (
        ("/api/decisions", {"limit": 20}),
        ("/api/coins/AAAUSDT/explain", {"at": MIDDLE}),
        ("/api/what-if", {"days": 90}),
    ):
        answer = await client.get(address, params=query)
        assert answer.status_code == 503, address
        assert answer.json()["detail"] == f"decisions of 2025-09 cannot be read: {path} is missing"
    assert (await client.get("/api/decisions", params={"limit": 3})).status_code == 200
    assert (await client.get("/api/coins/AAAUSDT/explain", params={"at": archived.NEWEST})).status_code == 200
    path.with_suffix(".away").rename(path)
    assert len(await listed(client, {})) == 126


async def test_a_damaged_file_gives_no_rows(filled: Context, client: httpx.AsyncClient) -> None:
    """Neither by its size, nor once the weekly look has found it."""
    close_month(archived.place(filled.database), archived.MONTH)
    (month,) = await months.held(filled.database)
    path = month.path(archived.place(filled.database).archive)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0")
    assert "is damaged" in (await client.get("/api/decisions", params={"limit": 20})).json()["detail"]
    path.write_bytes(whole[:1_000] + bytes(200) + whole[1_200:])
    await filled.database.execute("UPDATE archived_months SET checked_at = 0")
    await keeping.attend(filled.database, archived.WANTED, archived.close)
    assert "is damaged" in (await client.get("/api/decisions", params={"limit": 20})).json()["detail"]


def test_duckdb_sees_the_archive_alone(tmp_path: Path) -> None:
    """No other file, no extension, no network, and no setting that would allow it."""
    elsewhere = tmp_path / "beside.csv"
    elsewhere.write_text("a\n1\n")
    with opened(tmp_path / "archive") as duck:
        for query in (
            f"FROM read_csv('{elsewhere}')",
            f"COPY (SELECT 1) TO '{elsewhere}'",
            f"ATTACH '{tmp_path}/other.db'",
            "SELECT * FROM read_parquet('https://127.0.0.1:1/x.parquet')",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET enable_external_access = true",
            "SET memory_limit = '4GB'",
        ):
            with pytest.raises(duckdb.Error):
                duck.execute(query).fetchall()
