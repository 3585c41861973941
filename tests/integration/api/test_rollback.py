"""A bus that a failover has put back to an earlier moment."""

from __future__ import annotations

import time

from services.api.context import Context
from services.api.recorder import CONSUMER, GROUP, STREAMS
from shared import metrics
from shared.bus import RedisBus
from shared.contracts import StateRestored, Stream
from tests.integration.api import facts


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
