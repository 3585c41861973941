"""Exports: at once where they are short, by an rq job with progress where they are long."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import time

import httpx
import pytest
from rq.job import Job
from rq.serializers import JSONSerializer

from services.api.context import Context
from services.api.exports.jobs import KEPT_S, SILENT_S, ExportJobs
from services.api.routes import export
from shared.runtime.watched_queue import connect

pytestmark = pytest.mark.timeout(180)
FILL = """
    INSERT INTO signals (signal_id, alert_id, symbol, side, scan_id, entry, stop, target, reward_to_risk, weak,
        atr, score, fmqs, confidence, regime, strength, status)
    SELECT 's' || n, 'a' || n, CASE n %% 3 WHEN 0 THEN 'BTCUSDT' ELSE 'ETHUSDT' END, 'long',
        1760000100000 + n::bigint * 300000, 100, 98, 104, 2, false, 1, 70, 60, 50, 'TRENDING', 3, 'target'
    FROM generate_series(1, %s) AS n
"""


async def finished(client: httpx.AsyncClient, job_id: str) -> list[dict[str, object]]:
    """Return every answer about the job until it is done or has failed."""
    seen = []
    while True:
        seen.append((await client.get(f"/api/export/jobs/{job_id}")).json())
        if seen[-1]["status"] in {"done", "failed"}:
            return seen
        await asyncio.sleep(0.05)


async def test_a_short_export_is_an_address(api: Context, client: httpx.AsyncClient) -> None:
    """With the filters that were asked for; the address answers what fits."""
    await api.database.execute(FILL, [9])
    begun = (await client.post("/api/export/signals", params={"symbol": "btc", "status": "target"})).json()
    assert begun["job_id"] is None
    assert begun["total"] == 3
    lines = (await client.get(f"/{begun['url']}")).text.splitlines()
    assert len(lines) == 4
    assert all(",BTCUSDT," in line for line in lines[1:])


async def test_a_long_export_is_a_job(api: Context, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts its rows while it runs, and its file is the streamed one; both obey the filters."""
    monkeypatch.setattr(export, "LONG", 10_000)
    await api.database.execute(FILL, [45_000])
    begun = (await client.post("/api/export/signals", params={"symbol": "ETHUSDT"})).json()
    assert (begun["total"], begun["url"]) == (30_000, None)
    seen = await finished(client, begun["job_id"])
    assert (seen[-1]["status"], seen[-1]["rows"], seen[-1]["problem"]) == ("done", 30_000, "")
    rows = [int(str(one["rows"])) for one in seen]
    assert rows == sorted(rows)
    written = (await client.get(f"/{seen[-1]['url']}")).text
    assert written == (await client.get("/api/export/signals.csv", params={"symbol": "ETHUSDT"})).text
    assert {row["symbol"] for row in csv.DictReader(io.StringIO(written))} == {"ETHUSDT"}


async def test_a_job_that_was_interrupted_and_one_that_failed_say_so(api: Context, client: httpx.AsyncClient) -> None:
    """A worker that was killed writes no more; an error of the database is told in one line."""
    environment = api.service.environment
    with connect(environment) as connection:
        job_id = await asyncio.to_thread(ExportJobs(environment)._enqueue, {}, 5)
        job = Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
        assert (await client.get(f"/api/export/jobs/{job_id}")).json()["status"] == "waiting"
        job.meta["at"] = time.time() - SILENT_S - 1
        job.save_meta()  # type: ignore[no-untyped-call]
        shown = (await client.get(f"/api/export/jobs/{job_id}")).json()
        assert (shown["status"], shown["problem"]) == ("failed", "it was interrupted: ask again")
        job.meta["problem"] = "DatabaseAwayError: gone"
        job.save_meta()  # type: ignore[no-untyped-call]
    assert (await client.get(f"/api/export/jobs/{job_id}")).json()["problem"] == "DatabaseAwayError: gone"
    assert (await client.get(f"/api/export/jobs/{job_id}/signals.csv")).status_code == 404
    assert (await client.get("/api/export/jobs/00000000-0000-0000-0000-000000000000")).status_code == 404


async def test_no_more_than_three_wait_and_old_files_go(api: Context) -> None:
    """A fourth is refused with a sentence; what is older than a day is removed by the next one."""
    jobs = ExportJobs(api.service.environment)
    jobs.path("old").parent.mkdir(parents=True)
    jobs.path("old").write_text("x")
    os.utime(jobs.path("old"), times=(0, time.time() - KEPT_S - 1))
    for _ in range(3):
        jobs._enqueue({}, 1)
    assert not jobs.path("old").exists()
    with pytest.raises(Exception, match="3 exports are waiting already"):
        jobs._enqueue({}, 1)
