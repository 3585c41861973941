"""The mark before a delivery: only the process that sets it may send."""

from __future__ import annotations

import asyncio

import pytest

from services.notifier.delivery.delivery_log import DeliveryLog, report_of
from shared.bus import RedisBus
from shared.contracts import Alert
from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.asyncio


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
