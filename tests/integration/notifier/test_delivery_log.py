"""The delivery log: only the process that marks an attempt may send, and its report outlives a failover."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from services.notifier.delivery.delivery_log import DeliveryLog, report_of
from services.notifier.delivery.recent_reports import KEPT_SECONDS, MOST, RecentReports
from shared.bus import RedisBus
from shared.contracts import Alert, Stream
from tests.chaos.proxy import Proxy
from tests.going_back import GoingBack, going_back


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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GoingBack]:
    with going_back(tmp_path) as started:
        yield started


@pytest.mark.parametrize("begun", [False, True], ids=["before it", "begun"])
async def test_a_report_that_was_taken_back_is_put_back(server: GoingBack, fresh_signal: Alert, begun: bool) -> None:
    """The process that made it looks, and publishes it once more, though others were published meanwhile."""
    bus = RedisBus(server.url)
    delivery_log = DeliveryLog(bus)
    earlier, later = (
        report_of(msgspec.structs.replace(fresh_signal, alert_id=name), "house", "webhook", 1, "sent")
        for name in ("earlier", "later")
    )
    report = report_of(fresh_signal, "house", "webhook", 1, "sent", reference="77")
    await delivery_log.close(earlier)
    if begun:
        await delivery_log.begin(fresh_signal.alert_id, "house", 1)
    server.remember()
    await delivery_log.close(report)
    assert await delivery_log.put_back() == 0
    server.go_back()
    await delivery_log.close(later)
    assert await delivery_log.put_back() == 1
    assert await delivery_log.put_back() == 0
    found = await delivery_log.state_of(fresh_signal.alert_id, "house")
    assert (found.final, found.reference) == (True, "77")
    assert [message for _, message in await bus.newest(Stream.DELIVERIES, 10)] == [earlier, later, report]
    await bus.close()


async def test_an_alert_whose_report_was_taken_back_is_not_sent_again(server: GoingBack, fresh_signal: Alert) -> None:
    """The job comes again before the process has looked."""
    bus = RedisBus(server.url)
    delivery_log = DeliveryLog(bus)
    server.remember()
    await delivery_log.close(report_of(fresh_signal, "house", "webhook", 1, "sent"))
    server.go_back()
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
        recent.keep(report_of(fresh_signal, f"house{number}", "webhook", 1, "sent"), (), ())
    assert len(recent.all()) == MOST
    assert recent.of(fresh_signal.alert_id, "house4") is None
    now = KEPT_SECONDS + 1
    recent.keep(report_of(fresh_signal, "late", "webhook", 1, "sent"), (), ())
    assert [one.report.destination for one in recent.all()] == ["late"]
