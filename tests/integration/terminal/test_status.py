"""`./sevengate status`: what each service waits for, and remarks for the user."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from services.terminal.commands.status import BAD, ODD, WELL, archive, lines, storage
from services.terminal.local.listening import free_port
from tests.conftest import ROOT, running
from tests.integration.gatekeeper.processes import process


def command(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `status`."""
    argv = [sys.executable, "-m", "services.terminal", "status"]
    return subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


async def test_a_fresh_bus_without_a_database_says_why_nothing_settles(fresh_valkey: str, tmp_path: Path) -> None:
    """No Postgres has ever answered: the gatekeeper waits for its state, and `status` names both."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEVENGATE_")} | {
        "SEVENGATE_REDIS_URL": fresh_valkey,
        "SEVENGATE_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        "SEVENGATE_API_PORT": str(port),
        "SEVENGATE_API_URL": f"http://127.0.0.1:{port}",
        "SEVENGATE_CONFIG": str(tmp_path / "none.yaml"),
        "SEVENGATE_DATA_DIR": str(tmp_path / "data"),
        "SEVENGATE_METRICS_PORT": "0",
    }
    refused = await asyncio.to_thread(command, environment)
    assert refused.returncode == 1
    assert "is Sevengate running" in refused.stderr
    api = ["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "-m", "services.api"]
    with running(api), process(fresh_valkey):
        async with asyncio.timeout(240):
            while "waits for state from the API" not in (said := await asyncio.to_thread(command, environment)).stdout:
                await asyncio.sleep(0.2)
    assert said.returncode == 0
    told = {line.split()[0]: line for line in said.stdout.splitlines()}
    assert "waits for state from the API" in told["gatekeeper"]
    assert not told["database"].endswith(" ok")
    assert told["bus"].endswith(" ok")


NOT_KNOWN: dict[str, Any] = {
    "database_bytes": None, "database_bytes_a_day": None, "bus_bytes": None, "bus_bytes_a_day": None,
    "archive_bytes": 0, "archive_bytes_a_day": None,
    "disk_free": 70_000_000_000, "disk_bytes": 100_000_000_000, "full_in_days": None,
}  # fmt: skip


def test_the_line_about_storage_says_what_is_known() -> None:
    """Sizes, growth a day and when the disk is full; a disk that is full soon is odd."""
    assert list(storage(NOT_KNOWN)) == [("storage      70.0 GB of the disk are free", WELL)]
    known = NOT_KNOWN | {"database_bytes": 2_380_000_000, "database_bytes_a_day": 26_400_000.0}
    known |= {"bus_bytes": 90_000_000, "bus_bytes_a_day": -1_000_000.0, "full_in_days": 2_650.4}
    line = (
        "storage      database 2.38 GB (+26 MB a day), bus 0.09 GB (-1 MB a day), 70.0 GB of the disk are free, "
        "which is enough for 2,650 days at this pace"
    )
    assert list(storage(known)) == [(line, WELL)]
    assert next(iter(storage(known | {"full_in_days": 13.0})))[1] == ODD


def test_the_archive_says_what_it_has_and_what_is_wrong_with_it() -> None:
    """Its size stands among the stores'; each file that cannot be used is named."""
    size = NOT_KNOWN | {"archive_bytes": 96_000_000, "archive_bytes_a_day": 3_100_000.0}
    assert next(iter(storage(size)))[0].startswith("storage      archive 0.10 GB (+3 MB a day), 70.0 GB of the disk")
    held = {"months": 2, "rows": 2_600_000, "first": "2026-01", "last": "2026-02", "problems": []}
    assert list(archive(held)) == [("archive      2 months (2026-01 to 2026-02), 2,600,000 decisions", WELL)]
    missing = held | {"problems": ["2026-01: /data/2026-01.parquet is missing"]}
    assert list(archive(missing))[1:] == [("archive      2026-01: /data/2026-01.parquet is missing", BAD)]
    assert list(archive(held | {"months": 0})) == list(archive(None)) == []


def test_remarks_stand_once_under_their_service() -> None:
    """A retired request and the convention of the stamps are named, each once."""
    remarks = [
        "/fapi/v1/ticker/price is no longer served (status 410)",
        "/futures/data: stamps are the end of a period",
    ]
    status: dict[str, Any] = {
        "version": "1", "market": "binance-um", "last_scan": None, "streams": [],
        "services": {
            "fetcher": {"seconds_since_message": 3.0, "waiting_for": "", "remarks": remarks},
            "notifier": {"seconds_since_message": None, "waiting_for": "", "remarks": []},
        },
        "database": {"ok": True, "reason": ""}, "recorder": {"lost": 0}, "storage": NOT_KNOWN,
        "archive": None,
    }  # fmt: skip
    text = [line for line, _ in lines(status)]
    assert text[0] == "sevengate 1, binance-um: no scan has settled yet"
    assert text[1] == "fetcher      last message 3 s ago"
    assert [line.strip() for line in text[2:4]] == remarks
    assert text[4] == "notifier     nothing sent yet"
