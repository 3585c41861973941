"""A gatekeeper on a fresh bus, while the API has no Postgres."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from shared.bus import RedisBus
from shared.contracts import MutesChanged, PriceAlertsChanged, SettingsChanged, StateRestored
from shared.settings import RuntimeSettings
from tests.component.gatekeeper.running import gatekeeper
from tests.patience import PATIENCE_S


async def test_why_nothing_settles_is_said_once(fresh_valkey: str) -> None:
    """It says what it waits for, in its log and its health, and goes on when the API has published the state."""
    bus = RedisBus(fresh_valkey)
    await bus.publish_settings(MutesChanged(version=1, mutes=()))
    await bus.publish_settings(PriceAlertsChanged(version=1, price_alerts=()))
    await bus.publish_settings(SettingsChanged(version=1, value=RuntimeSettings().dump(), at=0))
    with capture_logs() as lines:
        async with asyncio.timeout(PATIENCE_S), gatekeeper(fresh_valkey) as service:
            while service.health()[1]["waiting_for"] != "state from the API":
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
            await bus.publish_settings(StateRestored(version=1))
            while service.health()[1]["waiting_for"]:
                await asyncio.sleep(0.02)
    await bus.close()
    said = [line for line in lines if line["event"] == "no scan settles yet"]
    assert len(said) == 1
    assert "Postgres" in said[0]["waiting_for"]
