"""The gatekeeper at a real bus: barrier, deadline, restart, standby, restored state."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.gatekeeper.runtime.loop import NAME, Gatekeeper
from services.gatekeeper.runtime.reader import STREAMS
from shared.bus import Commit, Lease, RedisBus, StateChange
from shared.config.environment import Environment
from shared.contracts import (
    Alert,
    Decision,
    PriceAlert,
    PriceBody,
    PriceTick,
    ScanSettled,
    SettingsChanged,
    StateRestored,
    Stream,
)
from shared.runtime.service import Service
from shared.runtime.stage.reader import CONSUMER
from shared.settings import RuntimeSettings, ScanSettings, Thresholds
from tests.chaos import inprocess
from tests.component.gatekeeper.running import address, begin, everything, gatekeeper, publish, settled
from tests.patience import until
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened


async def test_analyses_that_come_before_their_scan_wait_for_it(bus: RedisBus) -> None:
    """Nothing is acknowledged nor decided until the scan has opened and is whole; then all at once."""
    await publish(bus, Stream.ANALYSES, analysis("AAAUSDT"), analysis("BBBUSDT"), analysis("AAAUSDT"))
    async with gatekeeper(address(bus)):
        await asyncio.sleep(0.4)
        assert await everything(bus, Stream.DECISIONS) == []
        await publish(bus, Stream.SCANS, opened("AAAUSDT", "BBBUSDT"))
        scans = await settled(bus, 1)
        assert (scans[0].symbols, scans[0].missing, scans[0].at_deadline) == (2, (), False)
        decisions: list[Decision] = await everything(bus, Stream.DECISIONS)
        assert sorted(decision.decision_id for decision in decisions) == [
            f"binance-um:AAAUSDT:{SCAN}",
            f"binance-um:BBBUSDT:{SCAN}",
        ]

        async def empty() -> bool:
            return not sum([(await bus.backlog(stream, NAME)).pending for stream in STREAMS])

        await until(empty)


async def test_a_scan_settles_at_its_deadline_and_names_the_missing(bus: RedisBus) -> None:
    """What comes after is recorded as late, once."""
    await begin(bus, RuntimeSettings(scanning=ScanSettings(deadline_seconds=0.5)), version=2)
    async with gatekeeper(address(bus)):
        await publish(bus, Stream.SCANS, opened("AAAUSDT", "BBBUSDT", settings_version=2))
        await publish(bus, Stream.ANALYSES, analysis("AAAUSDT"))
        scans = await settled(bus, 1)
        assert (scans[0].missing, scans[0].at_deadline, scans[0].analysed) == (("BBBUSDT",), True, 1)
        await publish(bus, Stream.ANALYSES, analysis("BBBUSDT"), analysis("AAAUSDT"))

        async def late() -> list[Decision]:
            return [d for d in await everything(bus, Stream.DECISIONS) if d.outcome == "late"]

        assert [decision.analysis.symbol for decision in await until(late)] == ["BBBUSDT"]


@pytest.mark.parametrize(("named", "judged_with", "threshold"), [(2, 2, 60.0), (3, 3, 90.0), (9, 3, 90.0)])
async def test_a_decision_is_stamped_with_the_settings_it_was_judged_with(
    bus: RedisBus, named: int, judged_with: int, threshold: float
) -> None:
    """Also by a gatekeeper that started after they had changed; where they are not known, with the newest."""
    for version, score in ((2, 60.0), (3, 90.0)):
        await begin(bus, RuntimeSettings(thresholds=Thresholds(score=score)), version=version)
    await publish(bus, Stream.SCANS, opened("AAAUSDT", settings_version=named))
    await publish(bus, Stream.ANALYSES, analysis("AAAUSDT"))
    async with gatekeeper(address(bus)):
        await settled(bus, 1)
        [decision] = await everything(bus, Stream.DECISIONS)
    assert (decision.settings_version, decision.verdicts[0].threshold) == (judged_with, threshold)


async def test_scans_settle_in_order(bus: RedisBus) -> None:
    """A later scan that is whole waits for the earlier one."""
    async with gatekeeper(address(bus)):
        later = SCAN + STEP
        await publish(bus, Stream.SCANS, opened("AAAUSDT"), opened("AAAUSDT", scan_id=later))
        await publish(bus, Stream.ANALYSES, analysis(scan_id=later))
        await asyncio.sleep(0.4)
        assert not [event for event in await everything(bus, Stream.SCANS) if isinstance(event, ScanSettled)]
        await publish(bus, Stream.ANALYSES, analysis())
        assert [event.scan_id for event in await settled(bus, 2)] == [SCAN, later]
        alerts: list[Alert] = await everything(bus, Stream.ALERTS)
        assert [alert.alert_id for alert in alerts] == [f"binance-um:signal:AAAUSDT:long:{later}"]


async def test_labels_are_live_while_a_scan_waits(bus: RedisBus) -> None:
    """A tick's alert comes although the scan before it is not settled."""
    async with gatekeeper(address(bus)):
        for index in range(2):
            await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=SCAN + index * STEP))
            await publish(bus, Stream.ANALYSES, analysis(scan_id=SCAN + index * STEP))
        await settled(bus, 2)
        await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=SCAN + 2 * STEP))
        await publish(bus, Stream.TICKS, PriceTick(at=SCAN + 2 * STEP + 1_000, prices={"AAAUSDT": 99.2}))

        async def early() -> list[Alert]:
            return [alert for alert in await everything(bus, Stream.ALERTS) if alert.kind == "lifecycle"]

        assert [alert.alert_id.rsplit(":", 1)[1] for alert in await until(early)] == ["danger"]
        assert len(await settled(bus, 2)) == 2


async def test_the_other_one_goes_on_when_the_active_one_is_paused_past_its_lease(bus: RedisBus) -> None:
    """The paused one comes back and can neither commit nor keep what it had read."""
    with inprocess.quick():
        async with gatekeeper(address(bus), "first") as first:
            await publish(bus, Stream.SCANS, opened("AAAUSDT"))
            await publish(bus, Stream.ANALYSES, analysis())
            await settled(bus, 1)
            resumed = pause(first)
            async with gatekeeper(address(bus), "second"):
                await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=SCAN + STEP))
                await publish(bus, Stream.ANALYSES, analysis(scan_id=SCAN + STEP))
                await settled(bus, 2)
                resumed.set()
                await asyncio.sleep(0.5)
                await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=SCAN + 2 * STEP))
                await publish(bus, Stream.ANALYSES, analysis(scan_id=SCAN + 2 * STEP))
                scans = await settled(bus, 3)
    assert [event.scan_id for event in scans] == [SCAN, SCAN + STEP, SCAN + 2 * STEP]
    alerts: list[Alert] = await everything(bus, Stream.ALERTS)
    assert [alert.alert_id for alert in alerts] == [f"binance-um:signal:AAAUSDT:long:{SCAN + STEP}"]


def pause(service: Service) -> asyncio.Event:
    """Make every operation of the service's bus wait for the returned event, as SIGSTOP would."""
    resumed, bus = asyncio.Event(), service.bus

    for name in ("read", "commit", "renew", "backlog", "pending", "load_state"):
        setattr(bus, name, _waiting(getattr(bus, name), resumed))
    return resumed


def _waiting(operation: Any, resumed: asyncio.Event, reached: asyncio.Event | None = None) -> Any:
    """Return *operation* made to wait until *resumed*; it says by *reached* that it was called."""

    async def waiting(*args: Any, **named: Any) -> Any:
        if reached is not None:
            reached.set()
        await resumed.wait()
        return await operation(*args, **named)

    return waiting


async def test_what_a_paused_predecessor_read_is_found(bus: RedisBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages under the shared consumer name that the active one never saw are looked up and settled."""
    monkeypatch.setattr("shared.runtime.stage.reader.AUDIT_SECONDS", 0.2)
    async with gatekeeper(address(bus)) as service:
        await publish(bus, Stream.SCANS, opened("AAAUSDT", "BBBUSDT"))
        await publish(bus, Stream.ANALYSES, analysis("AAAUSDT"))
        await until(lambda: all_read(bus))
        resumed, reached, rival = asyncio.Event(), asyncio.Event(), RedisBus(address(bus))
        service.bus.read = _waiting(service.bus.read, resumed, reached)  # type: ignore[method-assign]
        await reached.wait()  # the read before it has ended
        # another reads under the same name and is never heard of again
        await publish(bus, Stream.ANALYSES, analysis("BBBUSDT"))
        assert len(await rival.read(NAME, CONSUMER, STREAMS, block_ms=100)) == 1
        await rival.close()
        resumed.set()
        scans = await settled(bus, 1)
    assert scans[0].missing == ()


async def all_read(bus: RedisBus) -> bool:
    """Return whether the gatekeeper has been given what was published."""
    streams = (Stream.SCANS, Stream.ANALYSES)
    return not any([(await bus.backlog(stream, NAME)).undelivered for stream in streams])


async def settled_now(bus: RedisBus) -> bool:
    """Return whether any scan has settled."""
    return any(isinstance(event, ScanSettled) for event in await everything(bus, Stream.SCANS))


async def test_after_the_bus_lost_everything_it_waits_for_what_postgres_knows(bus: RedisBus) -> None:
    """An emptied bus is not begun from nothing, nor from what was restored before."""
    with inprocess.quick():
        async with gatekeeper(address(bus)):
            await publish(bus, Stream.SCANS, opened("AAAUSDT"))
            await publish(bus, Stream.ANALYSES, analysis())
            await settled(bus, 1)
            await bus.redis.flushall()
            await publish(bus, Stream.SCANS, opened("AAAUSDT", scan_id=SCAN + STEP))
            await publish(bus, Stream.ANALYSES, analysis(scan_id=SCAN + STEP))
            await asyncio.sleep(1.5)
            assert not await settled_now(bus)
            known = StateRestored(version=2, appearances={"AAAUSDT": (SCAN, "long")}, settled_scan=SCAN)
            await bus.publish_settings(known)
            await settled(bus, 1)
    alerts: list[Alert] = await everything(bus, Stream.ALERTS)
    assert [alert.alert_id for alert in alerts] == [
        "binance-um:system:restored:2",
        f"binance-um:signal:AAAUSDT:long:{SCAN + STEP}",
    ]


async def test_a_price_alert_is_told_once_over_a_restart(bus: RedisBus) -> None:
    """Crossed while the gatekeeper was down: it fires on its return, marked so, and never again."""
    asked = PriceAlert(price_alert_id="p", symbol="AAAUSDT", condition="crosses", value=100.0)
    await begin(bus, None, asked, version=2)

    async def seen() -> bool:
        return (await bus.load_state(NAME)).version > 1

    with inprocess.quick():
        async with gatekeeper(address(bus), "first"):
            await publish(bus, Stream.TICKS, PriceTick(at=SCAN + 1_000, prices={"AAAUSDT": 99.0}))
            await until(seen)
        await publish(bus, Stream.TICKS, PriceTick(at=SCAN + 2_000, prices={"AAAUSDT": 101.0}))
        await asyncio.sleep(2.2)  # "while down" begins two seconds before the new start
        for number in range(2):
            async with gatekeeper(address(bus), f"after{number}"):

                async def early() -> list[Alert]:
                    return await everything(bus, Stream.ALERTS)

                alerts: list[Alert] = await until(early)
                await asyncio.sleep(0.2)
    assert [alert.alert_id for alert in alerts] == [f"binance-um:price:p:{SCAN + 2_000}"]
    assert [isinstance(alert.body, PriceBody) and alert.body.while_down for alert in alerts] == [True]
    assert len(await everything(bus, Stream.ALERTS)) == 1


async def test_the_first_tick_finds_the_price_alerts(bus: RedisBus) -> None:
    """A gatekeeper that has heard of nothing but its settings looks up the rest before it takes a tick."""
    asked = PriceAlert(price_alert_id="p", symbol="AAAUSDT", condition="above", value=100.0)
    await begin(bus, None, asked, version=2)
    service, lease = Service(NAME, Environment(clock_speed=0), bus), Lease(NAME, "me")
    service.settings.take(SettingsChanged(version=2, value=RuntimeSettings().dump(), at=0))
    await bus.acquire(lease, ttl_ms=60_000)
    await publish(bus, Stream.TICKS, PriceTick(at=SCAN + 1_000, prices={"AAAUSDT": 101.0}))
    working = asyncio.ensure_future(Gatekeeper(service, lease).work())

    async def early() -> list[Alert]:
        return await everything(bus, Stream.ALERTS)

    assert [alert.alert_id for alert in await until(early)] == [f"binance-um:price:p:{SCAN + 1_000}"]
    service.stopping.set()
    await working


async def test_a_stale_commit_writes_nothing(bus: RedisBus) -> None:
    """A process that lost the lease can write neither state nor outputs."""
    lease = Lease(NAME, "me")
    await bus.acquire(lease, ttl_ms=60_000)
    change = StateChange(NAME, 0, {"progress": b"x"})
    result = await bus.commit(Commit(outputs=[], state=change, lease=Lease(NAME, "another")))
    assert result == "stale"
    assert (await bus.load_state(NAME)).version == 0
