"""A bus that a failover has put back to an earlier moment."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.api.context import Context
from services.api.recorder import CONSUMER, GROUP, STREAMS
from services.api.store.recovery import marks
from shared import metrics
from shared.bus import RedisBus
from shared.contracts import StateRestored, Stream
from tests.integration.api import facts
from tests.integration.api.conftest import assembled


async def read_and_record(api: Context) -> None:
    """Do one turn of the recorder's loop."""
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, count=2_000, block_ms=50))


async def test_a_bus_that_went_back_is_told_what_is_recorded(api: Context) -> None:
    """An alert that a failover took back is known as delivered, so that its second coming is not sent."""
    alert = facts.signal_alert()
    await api.bus.publish(Stream.ALERTS, [alert])
    await read_and_record(api)
    await api.publisher.publish()
    before = await api.bus.newest_setting(StateRestored)
    await api.recorder.find_rollback()
    assert not api.recorder.restore.is_set()
    bus = api.bus
    assert isinstance(bus, RedisBus)
    await api.bus.publish(Stream.ALERTS, [alert])  # recorded, and then taken back
    report = facts.report(alert.alert_id, at=time.time_ns() // 1_000_000)
    await api.bus.publish(Stream.DELIVERIES, [report])
    await read_and_record(api)
    await bus.redis.xdel(bus.key(Stream.ALERTS), await bus.last_id(Stream.ALERTS))
    counted = metrics.ROLLED_BACK._value.get()
    await api.recorder.find_rollback()
    assert metrics.ROLLED_BACK._value.get() == counted + 1
    await api.publisher.publish()
    after = await api.bus.newest_setting(StateRestored)
    assert before is not None
    assert after is not None
    assert after.version > before.version
    assert (before.delivered, after.delivered) == ((), (f"{alert.alert_id}:phone",))
    assert not api.recorder.restore.is_set()
    await api.recorder.find_rollback()
    assert not api.recorder.restore.is_set()  # it is said once


async def test_a_rollback_while_the_api_was_away_is_found_at_its_start(
    api: Context, fresh_valkey: str, fresh_database: str, tmp_path: Path
) -> None:
    """The next process knows what this one recorded; having said so, it says it no more, nor does the one after it."""
    alert, bus = facts.signal_alert(), api.bus
    assert isinstance(bus, RedisBus)
    await bus.publish(Stream.ALERTS, [alert, alert])
    await read_and_record(api)
    await bus.redis.xdel(bus.key(Stream.ALERTS), await bus.last_id(Stream.ALERTS))
    async with assembled(fresh_valkey, fresh_database, tmp_path) as later:
        assert await later.database.start()
        await later.recorder.find_rollback()
        assert later.recorder.restore.is_set()
        await later.bus.publish(Stream.DELIVERIES, [facts.report(alert.alert_id, at=1)])
        await read_and_record(later)
        await later.publisher.publish()
        await later.recorder.find_rollback()
        assert not later.recorder.restore.is_set()
        assert set(await marks.load(later.database)) == {Stream.DELIVERIES}
    async with assembled(fresh_valkey, fresh_database, tmp_path) as last:
        assert await last.database.start()
        await last.recorder.find_rollback()
        assert not last.recorder.restore.is_set()


async def test_an_api_that_ends_before_it_has_said_so_says_it_at_its_next_start(
    api: Context, fresh_valkey: str, fresh_database: str, tmp_path: Path
) -> None:
    """The mark is forgotten when the state is published, not before."""
    alert, bus = facts.signal_alert(), api.bus
    assert isinstance(bus, RedisBus)
    await bus.publish(Stream.ALERTS, [alert, alert])
    await read_and_record(api)
    await bus.redis.xdel(bus.key(Stream.ALERTS), await bus.last_id(Stream.ALERTS))
    for _ in range(2):
        async with assembled(fresh_valkey, fresh_database, tmp_path) as later:
            assert await later.database.start()
            await later.recorder.find_rollback()
            await later.recorder.find_rollback()
            assert later.recorder.restore.is_set()


@pytest.mark.parametrize("entries", [0, 1], ids=["empty", "filled again"])
async def test_an_empty_bus_is_no_rollback(
    api: Context, fresh_valkey: str, fresh_database: str, tmp_path: Path, entries: int
) -> None:
    """A bus that lost everything while the API was away is refilled as ever, and not counted as a failover."""
    alert, bus = facts.signal_alert(), api.bus
    assert isinstance(bus, RedisBus)
    await bus.publish(Stream.ALERTS, [alert])
    await read_and_record(api)
    await bus.redis.flushall()
    await bus.publish(Stream.ALERTS, [alert] * entries)
    async with assembled(fresh_valkey, fresh_database, tmp_path) as later:
        assert await later.database.start()
        await later.recorder.find_rollback()
        assert not later.recorder.restore.is_set()
        await later.publisher.publish()
        assert await later.bus.newest_setting(StateRestored) is not None
