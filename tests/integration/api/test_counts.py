"""How much is recorded, as /api/status shows it."""

from __future__ import annotations

import psycopg
import pytest

from services.api.context import Context
from services.api.store import counts
from shared.config.environment import MARKET

SCANS = """
    INSERT INTO scans (market, scan_id, opened_at, symbols, settled_at, analysed, seconds)
    SELECT CASE WHEN n %% 4 = 0 THEN 'other-um' ELSE %s END, n * 300000, 1, 150, 1, 150, 1
    FROM generate_series(1, 400) n
"""


@pytest.fixture
def scans(api: Context, fresh_database: str) -> None:
    """Put 300 scans of this market into the database, and 100 of another."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(SCANS, [MARKET])
        connection.execute("ANALYZE scans")


@pytest.mark.usefixtures("scans")
async def test_few_rows_are_counted(api: Context) -> None:
    """Below the bound every count is exact; another market's rows are not in it."""
    found = await counts.load(api.database, 0)
    assert (found["scans"], found["signals"], found["about"]) == (300, 0, [])
    assert found["last_settled"] == 399 * 300_000


@pytest.mark.usefixtures("scans")
async def test_many_rows_are_the_planners_estimate(api: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it a count is the estimate for this market, and is named as one."""
    monkeypatch.setattr(counts, "EXACT_BELOW", 100)
    found = await counts.load(api.database, 0)
    assert (found["signals"], found["about"]) == (0, ["scans"])
    assert found["scans"] == pytest.approx(300, rel=0.1)
