"""A master that sentinels watch: the bus and rq find it, and find the next one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from services.notifier.delivery import queues
from services.terminal.checks.stores import check_redis
from services.terminal.local.stores import StoreError
from shared.bus import RedisBus
from shared.config.environment import Environment
from shared.contracts import MutesChanged, Stream
from shared.runtime.watched_queue import connect
from tests.component.bus.load import assert_each_once, persistent, read_until, version_of, written
from tests.sentinels import PASSWORD, Watched, until, watched

pytestmark = pytest.mark.timeout(300)
MESSAGES = 300


@pytest.fixture
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A master, a replica and three sentinels."""
    with watched(tmp_path_factory.mktemp("sentinels")) as servers:
        yield servers


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
async def test_a_failover_under_load(sentinels: Watched, how: signal.Signals) -> None:
    """The writer goes on at the new master, where state and outputs fit each other; the reader gets each of them."""
    await follows_a_failover(sentinels, how)


async def test_a_failover_over_tls(tmp_path: Path) -> None:
    """Servers and sentinels that speak TLS alone are found, and left, in the same way."""
    with watched(tmp_path, tls=True) as sentinels:
        await follows_a_failover(sentinels, signal.SIGKILL)
        assert "version " in await asyncio.to_thread(check_redis, sentinels.url)


async def follows_a_failover(sentinels: Watched, how: signal.Signals) -> None:
    """Write and read while the master is ended by *how*; everything is there once and in order."""
    old = sentinels.master()
    writer, reader = RedisBus(sentinels.url), RedisBus(sentinels.url)
    failover = asyncio.Event()
    writing = asyncio.ensure_future(written(writer, MESSAGES, failover))
    reading = asyncio.ensure_future(read_until(reader, MESSAGES))
    await failover.wait()
    sentinels.servers[old].send_signal(how)
    try:
        await writing
        found = await reading
    finally:
        sentinels.servers[old].send_signal(signal.SIGCONT)
    assert sentinels.master() != old
    await assert_each_once(writer, found, MESSAGES)
    await writer.close()
    await reader.close()


async def test_a_master_that_becomes_a_replica_is_left(sentinels: Watched) -> None:
    """A failover that an administrator asks for loses nothing, and open connections follow it."""
    old = sentinels.master()
    bus = RedisBus(sentinels.url)
    await bus.publish(Stream.SETTINGS, [MutesChanged(version=1, mutes=())])
    other = next(port for port in sentinels.servers if port != old)
    with sentinels.on(old) as client:  # as in a failover; it leaves connections open that Sentinel would close
        until(lambda: client.wait(1, 100) == 1)
        with sentinels.on(other) as next_master:
            next_master.replicaof("NO", "ONE")
        client.replicaof("127.0.0.1", other)
        until(lambda: sentinels.on(other).info("replication")["role"] == "master")

    async def step() -> list[str]:
        return await bus.publish(Stream.SETTINGS, [MutesChanged(version=2, mutes=())])

    await persistent(step)
    assert [version_of(message) for _, message in await bus.newest(Stream.SETTINGS, 9)] == [1, 2]
    await bus.close()


async def test_what_a_failover_takes_back_is_found(sentinels: Watched) -> None:
    """An entry that the next master never got is missed; one that it got, and one that was trimmed, are not."""
    old = sentinels.master()
    other = next(port for port in sentinels.servers if port != old)
    bus = RedisBus(sentinels.url)
    trimmed, kept = await bus.publish(Stream.SETTINGS, [MutesChanged(version=n, mutes=()) for n in (1, 2)])
    await bus.redis.xtrim(bus.key(Stream.SETTINGS), maxlen=1, approximate=False)
    with sentinels.on(old) as client, sentinels.on(other) as next_master:
        until(lambda: client.wait(1, 100) == 1)
        next_master.replicaof("NO", "ONE")
        (lost,) = await bus.publish(Stream.SETTINGS, [MutesChanged(version=3, mutes=())])
        assert not await bus.rolled_back(Stream.SETTINGS, lost)
        client.replicaof("127.0.0.1", other)
        until(lambda: client.info("replication")["master_link_status"] == "up")
    missed = [await persistent(partial(bus.rolled_back, Stream.SETTINGS, one)) for one in (trimmed, kept, lost)]
    assert missed == [False, False, True]
    await bus.close()


async def test_a_master_without_its_replica_takes_nothing(tmp_path: Path) -> None:
    """With min-replicas-to-write the bus waits, after a failover too, until the replica is there again."""
    with watched(tmp_path, "--min-replicas-to-write", "1", "--min-replicas-max-lag", "10") as servers:
        bus, old = RedisBus(servers.url), servers.master()
        await bus.publish(Stream.SETTINGS, [MutesChanged(version=1, mutes=())])
        with servers.on(old) as client:
            until(lambda: client.wait(1, 100) == 1)
        servers.servers[old].kill()
        await asyncio.to_thread(until, lambda: servers.master() != old)
        with pytest.raises(RedisError, match="NOREPLICAS"):
            await publish_at(bus, 2, servers.on(servers.master()))
        await asyncio.to_thread(servers.start_again, old)
        await persistent(partial(bus.publish, Stream.SETTINGS, [MutesChanged(version=3, mutes=())]))
        assert [version_of(message) for _, message in await bus.newest(Stream.SETTINGS, 9)] == [1, 3]
        await bus.close()


async def publish_at(bus: RedisBus, version: int, master: redis.Redis) -> None:
    """Publish a message once *master* knows that it is one."""
    with master:
        await asyncio.to_thread(until, lambda: master.info("replication")["role"] == "master")
    await bus.publish(Stream.SETTINGS, [MutesChanged(version=version, mutes=())])


def test_the_check_takes_the_sentinels_and_refuses_the_replica(sentinels: Watched) -> None:
    """A replica, named by itself, would refuse every message."""
    assert "version " in check_redis(sentinels.url)
    replica = next(port for port in sentinels.servers if port != sentinels.master())
    with pytest.raises(StoreError, match="is a replica") as refused:
        check_redis(f"redis://:{PASSWORD}@127.0.0.1:{replica}/0")
    assert PASSWORD not in str(refused.value)


def test_jobs_are_done_at_the_next_master(sentinels: Watched) -> None:
    """rq's own connection finds the master, and the next one after the first was killed."""
    connection = connect(Environment(redis_url="redis://127.0.0.1:1/0", jobs_redis_url=sentinels.url))
    queue = queues.Outbox(connection, "binance-um").queue("phone")
    worker = SimpleWorker([queue], connection=connection, serializer=JSONSerializer)
    job = queue.enqueue(len, [1, 2, 3])
    worker.work(burst=True, logging_level="ERROR")
    assert job.return_value(refresh=True) == 3
    waiting = queue.enqueue(len, [1, 2])
    old = sentinels.master()
    with sentinels.on(old) as client:
        until(lambda: client.wait(1, 100) == 1)
    sentinels.servers[old].kill()
    until(lambda: sentinels.master() != old and connection.ping())
    SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True, logging_level="ERROR")
    assert waiting.return_value(refresh=True) == 2
    connection.close()
