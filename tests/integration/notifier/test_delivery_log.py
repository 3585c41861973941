"""The delivery log: only the process that marks an attempt may send, and its report outlives a failover."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from services.notifier.delivery.delivery_log import DeliveryLog, report_of
from services.notifier.delivery.queues import job_id
from services.notifier.delivery.recent_reports import KEPT_SECONDS, MOST, RecentReports
from shared.bus import RedisBus
from shared.contracts import Alert, Stream
from tests.chaos.proxy import Proxy


async def test_two_workers_with_one_job_send_it_once(fresh_valkey: str, fresh_signal: Alert) -> None:
    """One that was paused between looking and marking finds that the other has begun, or has even ended."""
    buses = [RedisBus(fresh_valkey), RedisBus(fresh_valkey)]
    one, two = (DeliveryLog(bus) for bus in buses)
    name = fresh_signal.alert_id
    both = await asyncio.gather(one.begin(name, "house", 1), two.begin(name, "house", 1))
    assert sorted(both) == [False, True]
    await one.close(report_of(fresh_signal, "house", "webhook", 1, "retrying"))
    assert not await two.begin(name, "house", 1)
    assert await two.begin(name, "house", 2)
    for bus in buses:
        await bus.close()


async def test_a_mark_whose_answer_was_lost_is_still_ones_own(fresh_valkey: str, fresh_signal: Alert) -> None:
    """The client repeats the command on a new connection; it is not taken for another worker's."""
    host, _, port = fresh_valkey.removeprefix("redis://").split("/")[0].rpartition(":")
    async with Proxy(host, int(port)) as proxy:
        bus = RedisBus(f"redis://127.0.0.1:{await proxy.door('worker')}/0")
        delivery_log = DeliveryLog(bus)
        assert await delivery_log.begin("another", "house", 1)
        cutting = asyncio.ensure_future(proxy.cut("worker", "before the answer", [b"EVALSHA"], 5.0))
        await asyncio.sleep(0)
        assert await delivery_log.begin(fresh_signal.alert_id, "house", 1)
        assert await cutting
        assert (await delivery_log.state_of(fresh_signal.alert_id, "house")).open
        await bus.close()


async def taken_back(bus: RedisBus, alert: Alert, to: dict[str, str]) -> None:
    """Take the newest report off the bus and set the delivery's state to *to*, as a failover does."""
    ((entry_id, _),) = await bus.newest(Stream.DELIVERIES, 1)
    key = bus.key(f"delivery:{job_id(alert.alert_id, 'house')}")
    await bus.redis.xdel(bus.key(Stream.DELIVERIES), entry_id)
    await bus.redis.delete(key)
    if to:
        await bus.redis.hset(key, mapping=to)


@pytest.mark.parametrize("state", [{}, {"attempt": "1", "open": "1", "began": "5"}], ids=["before it", "begun"])
async def test_a_report_that_was_taken_back_is_put_back(
    fresh_valkey: str, fresh_signal: Alert, state: dict[str, str]
) -> None:
    """The process that made it looks, and publishes it once more."""
    bus = RedisBus(fresh_valkey)
    delivery_log = DeliveryLog(bus)
    earlier = report_of(msgspec.structs.replace(fresh_signal, alert_id="earlier"), "house", "webhook", 1, "sent")
    report = report_of(fresh_signal, "house", "webhook", 1, "sent", reference="77")
    for one in (earlier, report):
        await delivery_log.close(one)
    assert await delivery_log.put_back() == 0
    await taken_back(bus, fresh_signal, state)
    assert await delivery_log.put_back() == 1
    assert await delivery_log.put_back() == 0
    found = await delivery_log.state_of(fresh_signal.alert_id, "house")
    assert (found.final, found.reference) == (True, "77")
    assert [message for _, message in await bus.newest(Stream.DELIVERIES, 10)] == [earlier, report]
    await bus.close()


async def test_an_alert_whose_report_was_taken_back_is_not_sent_again(fresh_valkey: str, fresh_signal: Alert) -> None:
    """The job comes again before the process has looked."""
    bus = RedisBus(fresh_valkey)
    delivery_log = DeliveryLog(bus)
    await delivery_log.close(report_of(fresh_signal, "house", "webhook", 1, "sent"))
    await taken_back(bus, fresh_signal, {})
    state, _ = await delivery_log.load(fresh_signal.alert_id, "house")
    assert state.final
    await delivery_log.forget(fresh_signal.alert_id, "house")  # a user asks for it again
    state, _ = await delivery_log.load(fresh_signal.alert_id, "house")
    assert not state.final
    await bus.close()


def test_old_reports_and_those_beyond_the_most_are_not_kept(fresh_signal: Alert) -> None:
    """What is kept is bounded by age and by number."""
    now = 0.0
    recent = RecentReports(lambda: now)
    for number in range(MOST + 5):
        recent.keep(report_of(fresh_signal, f"house{number}", "webhook", 1, "sent"), (), (), f"{number}-0")
    assert len(recent.all()) == MOST
    assert recent.of(fresh_signal.alert_id, "house4") is None
    now = KEPT_SECONDS + 1
    recent.keep(report_of(fresh_signal, "late", "webhook", 1, "sent"), (), (), "9999-0")
    assert [one.entry_id for one in recent.all()] == ["9999-0"]
