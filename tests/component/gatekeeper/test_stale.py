"""Stale market data at the clock's real speed: no signal, and one system alert."""

from __future__ import annotations

import asyncio

import pytest

from services.gatekeeper.domain import inhibition
from shared.bus import RedisBus
from shared.contracts import Alert, Decision, PriceTick, Stream, SystemBody
from shared.settings import FeedSettings, RuntimeSettings
from tests.component.gatekeeper.running import address, begin, everything, gatekeeper, publish, settled
from tests.patience import until
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened

STALE_SECONDS = 1.0


async def system(bus: RedisBus) -> list[str]:
    """Return the system alerts."""
    alerts: list[Alert] = await everything(bus, Stream.ALERTS)
    return [alert.body.code for alert in alerts if isinstance(alert.body, SystemBody)]


async def scan(bus: RedisBus, number: int, degraded: str = "") -> None:
    """Open scan *number* and analyse its symbol, which would pass all gates."""
    scan_id = SCAN + number * STEP
    await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=scan_id, degraded=degraded))
    await publish(bus, Stream.ANALYSES, analysis(scan_id=scan_id))
    await settled(bus, number + 1)


async def test_a_silent_market_raises_one_alert_and_no_signal_until_it_is_sound(
    bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence, then a degraded scan, is one incident; ticks alone end nothing; two sound scans make a signal again."""
    monkeypatch.setattr(inhibition, "STALE_LEAST_S", STALE_SECONDS)
    await begin(bus, RuntimeSettings(feed=FeedSettings(stale_seconds=STALE_SECONDS)), version=2)
    async with gatekeeper(address(bus), speed=1.0):
        await scan(bus, 0)
        await publish(bus, Stream.TICKS, PriceTick(at=SCAN + 1_000, prices={"AAAUSDT": 100.0}))

        async def sent() -> bool:
            return await system(bus) == ["stale data"]

        await until(sent)
        await asyncio.sleep(1.5 * STALE_SECONDS)
        assert await system(bus) == ["stale data"]
        await publish(bus, Stream.TICKS, PriceTick(at=SCAN + 2_000, prices={"AAAUSDT": 100.0}))
        await scan(bus, 1, degraded="exchange gap")
        assert await system(bus) == ["stale data"]
        await scan(bus, 2)
        await scan(bus, 3)
    decisions: list[Decision] = await everything(bus, Stream.DECISIONS)
    decisions += await everything(bus, Stream.DECISIONS_PASSED)
    outcomes = {(one.analysis.scan_id - SCAN) // STEP: one.outcome for one in decisions}
    assert outcomes == {0: "rejected", 1: "inhibited", 2: "rejected", 3: "alerted"}
    assert await system(bus) == ["stale data", "recovered"]
