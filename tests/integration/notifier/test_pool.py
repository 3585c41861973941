"""The workers' processes: several destinations to each, and each destination served again after a death."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil

from services.notifier.deliverer.pool import EACH
from services.notifier.delivery.queues import ARRIVED, job_id
from shared.contracts import DeliveryReport
from tests.integration.notifier.conftest import Stage
from tests.integration.notifier.test_delivery import numbered, settled
from tests.patience import until

NAMES = tuple(f"d{number}" for number in range(EACH + 1))


def processes(deliverer: int) -> list[psutil.Process]:
    """Return the worker processes of *deliverer*, which are the children of its pool."""
    (pool,) = psutil.Process(deliverer).children()
    found: list[psutil.Process] = pool.children()
    return found


async def test_destinations_share_processes_and_outlive_them(idle_stage: Stage) -> None:
    """One more than a process serves takes two; after both were killed every destination gets the next alert."""
    stage = idle_stage
    await stage.route(**{name: stage.webhook(f"/{name}") for name in NAMES})
    stage.start("services.notifier")
    deliverer = stage.start("services.notifier.deliverer")
    await stage.tell(numbered(1))
    await stage.until(settled(len(NAMES)), 60)
    workers = await asyncio.to_thread(processes, deliverer.pid)
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    await stage.tell(numbered(2))
    reports = await stage.until(settled(2 * len(NAMES)), 90)
    assert {(report.alert_id, report.destination) for report in reports} == {
        (numbered(number).alert_id, name) for number in (1, 2) for name in NAMES
    }
    assert {report.status for report in reports} == {"sent"}


async def test_order_is_kept_for_each_destination(stage: Stage) -> None:
    """However many destinations one process serves, each gets the alerts as they came."""
    names = NAMES[:4]
    await stage.route(**{name: stage.webhook(f"/{name}") for name in names})
    alerts = [numbered(number) for number in range(10)]
    await stage.tell(*alerts)
    reports = await stage.until(settled(len(names) * len(alerts)), 60)
    expected = [alert.alert_id for alert in alerts]
    assert [_order(reports, name) for name in names] == [expected] * len(names)


async def test_a_stopped_deliverer_leaves_no_process(idle_stage: Stage) -> None:
    """Asked to stop, it ends its pool and their workers at once, though they wait for jobs."""
    stage = idle_stage
    await stage.route(house=stage.webhook())
    stage.start("services.notifier")
    deliverer = stage.start("services.notifier.deliverer")
    await stage.tell(numbered(1))
    await stage.until(settled(1))
    below = psutil.Process(deliverer.pid).children(recursive=True)
    deliverer.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(deliverer.wait, 60) == 0
    await until(lambda: not any(process.is_running() for process in below))
    registered = await stage.bus.redis.smembers("rq:workers")
    assert not registered, "a worker that was killed stays registered"


async def test_a_finished_job_keeps_its_id_and_not_its_alert(stage: Stage) -> None:
    """A day's jobs would fill the bus with alerts; the id alone is refused a second time."""
    await stage.route(house=stage.webhook())
    await stage.tell(numbered(1))
    await stage.until(settled(1))
    key = f"rq:job:{job_id(numbered(1).alert_id, 'house')}"
    await until(lambda: _is_finished(stage, key))
    await until(lambda: _is_empty(stage, key))
    await stage.tell(numbered(1), numbered(2))
    await stage.until(settled(2))
    assert len(stage.sink.received) == 2


async def test_a_finished_job_that_is_queued_again_ends_at_once(stage: Stage) -> None:
    """A failover may put its id back into the queue after its alert was dropped: nothing is sent."""
    await stage.route(house=stage.webhook())
    await stage.tell(numbered(1))
    key = f"rq:job:{job_id(numbered(1).alert_id, 'house')}"
    await until(lambda: _is_empty(stage, key))
    ended = await stage.bus.redis.hget(key, "ended_at")
    await stage.bus.redis.lpush("rq:queue:binance-um.house", key.rpartition(":")[2])

    async def ended_again() -> bool:
        return bool(await stage.bus.redis.hget(key, "ended_at") != ended and await _is_finished(stage, key))

    await until(ended_again)
    assert await _is_empty(stage, key)
    assert not await stage.bus.redis.zcard("rq:scheduled:binance-um.house")
    assert len(stage.sink.received) == 1


async def test_an_alert_whose_job_is_in_remains_is_delivered(stage: Stage) -> None:
    """A failover took the job back, and what a worker said of it afterwards is all that is left."""
    await stage.route(house=stage.webhook())
    await stage.tell(numbered(1))
    await stage.until(settled(1))
    lost = job_id(numbered(2).alert_id, "house")
    await stage.bus.redis.hset(f"rq:job:{lost}", "status", "scheduled")
    await stage.bus.redis.zadd("rq:scheduled:binance-um.house", {lost: 1.0})

    async def dropped() -> bool:
        return not await stage.bus.redis.zcard("rq:scheduled:binance-um.house")

    await until(dropped)
    await stage.tell(numbered(2))
    await stage.until(settled(2))
    assert len(stage.sink.received) == 2


async def _is_finished(stage: Stage, key: str) -> bool:
    return bool(await stage.bus.redis.hget(key, "status") == b"finished")


async def _is_empty(stage: Stage, key: str) -> bool:
    return bool(await stage.bus.redis.hget(key, "data") == ARRIVED)


def _order(reports: list[DeliveryReport], name: str) -> list[str]:
    return [report.alert_id for report in sorted(reports, key=lambda one: one.at) if report.destination == name]
