"""User settings reach the bus: at start, on change, and again when the bus lost them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import psycopg
import pytest

from services.api.context import Context
from services.api.recorder import CONSUMER, GROUP, STREAMS
from services.api.store import user_settings
from services.api.store.database import migrate
from services.api.store.recovery import state as recovery
from shared.contracts import (
    SCAN_MS,
    Message,
    Mute,
    MutesChanged,
    PriceAlert,
    PriceAlertsChanged,
    SettingsChanged,
    StateRestored,
    Stream,
    Worth,
)
from shared.settings import RuntimeSettings
from tests.integration.api import facts
from tests.integration.api.conftest import OwnPostgres, assembled
from tests.patience import PATIENCE_S

HOUR = 3_600_000


async def held(api: Context) -> dict[str, Any]:
    return {type(event).__name__: event for event in await api.bus.newest_settings()}


async def lose_the_bus(api: Context) -> None:
    await api.bus.redis.flushall()  # type: ignore[attr-defined]


async def test_an_empty_bus_gets_all_four(api: Context) -> None:
    """The first boot publishes settings, price alerts, mutes and an empty restored state."""
    await api.publisher.publish()
    assert set(await held(api)) == {"SettingsChanged", "PriceAlertsChanged", "MutesChanged", "StateRestored"}


async def test_a_bus_that_has_all_is_left_alone(api: Context) -> None:
    """Looking again publishes nothing: versions change with values only."""
    await api.publisher.publish()
    before = await api.bus.last_id(Stream.SETTINGS)
    await api.publisher.publish()
    assert await api.bus.last_id(Stream.SETTINGS) == before


async def test_a_change_is_published_with_a_greater_version(api: Context) -> None:
    """config.yaml and the overrides are merged; the newer version is greater."""
    api.publisher.values = {"thresholds": {"score": 70, "fmqs": 55}}
    await api.publisher.publish()
    first = (await held(api))["SettingsChanged"]
    await user_settings.save_change(api.database, {"thresholds": {"score": 80}}, 1)
    await api.publisher.publish()
    second: SettingsChanged = (await held(api))["SettingsChanged"]
    assert second.version > first.version
    assert (second.value["thresholds"]["score"], second.value["thresholds"]["fmqs"]) == (80, 55)
    saved = await api.database.rows("SELECT version FROM settings_versions ORDER BY version")
    assert [row["version"] for row in saved] == [first.version, second.version]


async def test_a_lost_bus_is_told_again(api: Context) -> None:
    """After FLUSHALL the watchdog publishes everything; restored state has a greater version than before."""
    running = asyncio.ensure_future(api.publisher.run())
    await until_held(api, 4)
    before = await held(api)
    await lose_the_bus(api)
    await until_held(api, 4)
    after = await held(api)
    assert after["SettingsChanged"] == before["SettingsChanged"], "the same settings keep their version"
    assert after["StateRestored"].version > before["StateRestored"].version
    api.service.stopping.set()
    api.publisher.wake()
    await running


async def test_restored_state_is_what_postgres_knows(api: Context) -> None:
    """Open signals, appearances, cooldowns, fired price alerts, deliveries and the last scan come back."""
    now = time.time_ns() // 1_000_000
    later = facts.SCAN + SCAN_MS
    signal_of_b = facts.signal_alert("BBBUSDT", later)
    estimated = msgspec.structs.replace(signal_of_b.body.analysis, estimated=("taker",))  # type: ignore[union-attr]
    signal_of_b = msgspec.structs.replace(
        signal_of_b,
        body=msgspec.structs.replace(signal_of_b.body, analysis=estimated),
    )
    degraded = msgspec.structs.replace(facts.opened(later + SCAN_MS), degraded="exchange gap")
    scans: list[Message] = [facts.opened(), facts.settled(), facts.opened(later), facts.settled(later), degraded]
    await api.bus.publish(Stream.SCANS, scans)
    await api.bus.publish(
        Stream.DECISIONS_PASSED, [facts.decision(passed=True), facts.decision("BBBUSDT", later, passed=True)]
    )
    await api.bus.publish(Stream.DECISIONS, [facts.decision("CCCUSDT", degraded.scan_id)])  # counts for nothing
    await api.bus.publish(
        Stream.ALERTS,
        [
            facts.signal_alert(),
            signal_of_b,
            facts.lifecycle_alert("caution", "BBBUSDT", later),
            facts.lifecycle_alert("danger", "BBBUSDT", later),
            facts.lifecycle_alert("target"),
            facts.price_alert_fired("p1"),
        ],
    )
    await api.bus.publish(
        Stream.DELIVERIES,
        [
            facts.report("a1", "phone", "sent", now),
            facts.report("a1", "house", "retrying", now),
            facts.report("a2", "phone", "unknown", now),
        ],
    )
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))
    await lose_the_bus(api)
    await api.publisher.publish()
    state: StateRestored = (await held(api))["StateRestored"]
    (signal,) = state.open_signals
    assert (signal.symbol, signal.label, signal.entry, signal.atr) == ("BBBUSDT", "danger", 100.5, 1.7)
    assert signal.alert_id == f"signal:BBBUSDT:long:{later}"
    assert signal.estimated == ("taker",)
    assert signal.worth == Worth(cost_r=0.06, comparable=facts.LIKE_THIS)
    assert state.appearances == {"AAAUSDT": (facts.SCAN, "long"), "BBBUSDT": (later, "long")}
    assert state.rows == {"AAAUSDT": 2, "BBBUSDT": 2}
    assert {name: set(events) for name, events in state.told.items()} == {signal.signal_id: {"caution", "danger"}}
    assert state.cooldowns == {"AAAUSDT:long": facts.SCAN + 2 * SCAN_MS + HOUR}
    assert state.price_alert_states == {"p1": facts.SCAN}
    assert state.delivered == ("a1:phone", "a2:phone")
    assert state.settled_scan == later


async def test_an_alert_that_a_destination_may_have_missed_is_told_after_the_loss(api: Context) -> None:
    """Neither one that every destination had, nor one that is too old or was held back."""
    now = time.time_ns() // 1_000_000
    house = {"channel": "webhook", "url": "http://127.0.0.1:9/x", "allow": ["127.0.0.1/32"]}
    destinations = {"destinations": {"phone": house, "house": house}, "routes": [{"destinations": ["phone", "house"]}]}
    settings = RuntimeSettings.model_validate(destinations)
    young = {name: msgspec.structs.replace(facts.price_alert_fired(name), created_at=now) for name in "abcd"}
    held = msgspec.structs.replace(young["d"], held_by="quiet hours")
    old = msgspec.structs.replace(facts.price_alert_fired("e"), created_at=now - 901_000)
    await api.bus.publish(Stream.ALERTS, [young["a"], young["b"], young["c"], held, old])
    reports = [("a", "phone", "sent"), ("a", "house", "unknown"), ("b", "phone", "sent"), ("b", "house", "retrying")]
    await api.bus.publish(
        Stream.DELIVERIES, [facts.report(young[name].alert_id, where, how, now) for name, where, how in reports]
    )
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))
    state = await recovery.restored_state(api.database, settings, 1, now)
    assert state.untold == (young["b"], young["c"])
    nobody = await recovery.restored_state(api.database, RuntimeSettings(), 1, now)
    assert nobody.untold == ()


async def test_price_alerts_and_mutes_follow_their_ends(api: Context) -> None:
    """A spent price alert and an ended mute leave what is published; a repeating one stays."""
    now = time.time_ns() // 1_000_000
    for name, repeat in (("once", False), ("often", True)):
        wanted = PriceAlert(price_alert_id=name, symbol="AAAUSDT", condition="above", value=1.0, repeat=repeat)
        await user_settings.add_price_alert(api.database, wanted)
    await user_settings.add_mute(api.database, Mute(mute_id="m1", until=now + 3_600_000, symbol="AAAUSDT"))
    await api.publisher.publish()
    alerts: PriceAlertsChanged = (await held(api))["PriceAlertsChanged"]
    mutes: MutesChanged = (await held(api))["MutesChanged"]
    assert {alert.price_alert_id for alert in alerts.price_alerts} == {"once", "often"}
    assert [mute.mute_id for mute in mutes.mutes] == ["m1"]
    await api.bus.publish(Stream.ALERTS, [facts.price_alert_fired("once"), facts.price_alert_fired("often")])
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))
    await api.database.execute("UPDATE mutes SET until = %s", [now])
    await api.publisher.publish()
    after = await held(api)
    assert [alert.price_alert_id for alert in after["PriceAlertsChanged"].price_alerts] == ["often"]
    assert after["PriceAlertsChanged"].version > alerts.version
    assert after["MutesChanged"].mutes == ()


async def test_without_postgres_the_pipeline_gets_its_settings(fresh_valkey: str, own_postgres: OwnPostgres) -> None:
    """With the database away config.yaml is published; restored state waits until it is back."""
    await own_postgres.stop()
    async with assembled(fresh_valkey, own_postgres.store.url, own_postgres.folder) as api:
        assert not await api.database.start()
        await api.publisher.publish()
        assert set(await held(api)) == {"SettingsChanged"}
        await own_postgres.start()
        assert await api.database.start()
        await api.publisher.publish()
        assert set(await held(api)) == {"SettingsChanged", "PriceAlertsChanged", "MutesChanged", "StateRestored"}


async def test_an_older_change_that_does_not_fit_is_left_out(api: Context) -> None:
    """A changed setting that a newer program refuses costs the changes, not the start."""
    await user_settings.save_change(api.database, {"thresholds": {"no_such_thing": 1}}, 1)
    await api.publisher.publish()
    assert (await held(api))["SettingsChanged"].value["thresholds"]["score"] == 65


@pytest.mark.parametrize("times", [1, 2])
async def test_migrations_survive_a_killed_process(fresh_database: str, times: int) -> None:
    """A lock that a killed process left behind is broken; applying twice changes nothing."""
    for _ in range(times):
        await asyncio.to_thread(migrate, fresh_database)
    async with await psycopg.AsyncConnection.connect(fresh_database) as connection:
        await connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 999999)")
    await asyncio.to_thread(migrate, fresh_database)


async def until_held(api: Context, wanted: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(await held(api)) < wanted:
            await asyncio.sleep(0.05)
