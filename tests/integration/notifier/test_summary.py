"""The daily summary, from what the API recorded to a webhook."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import pytest

from shared.contracts import SCAN_MS, Stream
from tests.integration.api import facts
from tests.integration.notifier.conftest import Stage, now_ms, real_api

pytestmark = [pytest.mark.slow, pytest.mark.asyncio, pytest.mark.timeout(600)]


def config(stage: Stage, daily_summary: str) -> str:
    """Return a config.yaml (JSON is YAML) with one destination that no route leads to but words about Sevengate."""
    return json.dumps(
        {
            "presentation": {"daily_summary": daily_summary},
            "destinations": {"house": stage.webhook()},
            "routes": [{"destinations": ["house"], "kinds": ["system"]}],
        }
    )


async def test_the_day_is_told_once_by_however_many_notifiers(
    idle_stage: Stage, fresh_database: str, tmp_path: Path
) -> None:
    """At the time that the settings name, two notifiers tell one summary of the day's signals."""
    stage, scan = idle_stage, now_ms() // SCAN_MS * SCAN_MS
    opened = facts.signal_alert(scan_id=scan - 12 * SCAN_MS)
    ended = facts.lifecycle_alert("target", opened=scan - 12 * SCAN_MS)
    await stage.bus.publish(Stream.ALERTS, [opened, msgspec.structs.replace(ended, occurred_at=scan)])
    async with real_api(stage, fresh_database, tmp_path, config(stage, f"{datetime.now(UTC):%H:%M}")) as api:
        while not await recorded(api):
            await asyncio.sleep(0.1)
        for module in ("services.notifier", "services.notifier", "services.notifier.deliverer"):
            stage.start(module)
        await stage.until(lambda found: any("daily summary" in report.alert_id for report in found))
        await asyncio.sleep(1)
    (got,) = stage.sink.received
    body = json.loads(got.body)
    assert body["body"]["code"] == "daily summary"
    assert "1 signal: 1 long, 0 short" in body["text"]
    assert "1 ended: 1 at target, 0 at stop" in body["text"]
    assert "+2.20 R before costs" in body["text"]


async def recorded(api: httpx.AsyncClient) -> bool:
    """Return whether the API knows how the signal ended."""
    try:
        items = (await api.get("/api/signals")).json().get("items", [])
    except (httpx.HTTPError, ValueError):
        return False
    return [item["status"] for item in items] == ["target"]
