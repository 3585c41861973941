"""A market's keys in a Valkey Cluster: the bus finds the master of their slot, and the next one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from services.terminal.checks import stores
from services.terminal.local.stores import StoreError
from shared.bus import RedisBus
from shared.bus.connection import client
from shared.contracts import MutesChanged, Stream
from tests.clusters import Cluster, clustered, slot_of
from tests.component.bus.load import assert_each_once, persistent, read_until, version_of, written
from tests.conftest import granted_user
from tests.sentinels import PASSWORD, until

pytestmark = pytest.mark.timeout(600)
MESSAGES = 300
MARKET, OTHER = "binance-um", "okx-swap"


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters and a replica of each; the two markets are on different ones."""
    with clustered(tmp_path_factory.mktemp("cluster")) as nodes:
        assert nodes.master(MARKET) != nodes.master(OTHER)
        yield nodes


async def committed(url: str, market: str, begun: asyncio.Event) -> None:
    """Write and read all messages of *market*; set *begun* in the middle."""
    writer, reader = RedisBus(url, market), RedisBus(url, market)
    _, found = await asyncio.gather(written(writer, MESSAGES, begun), read_until(reader, MESSAGES))
    await assert_each_once(writer, found, MESSAGES)
    await writer.close()
    await reader.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
async def test_a_failover_under_load(cluster: Cluster, how: signal.Signals) -> None:
    """A master goes, its replica takes over by the others' votes; the markets on both masters lose nothing."""
    old, begun = cluster.master(MARKET), asyncio.Event()
    working = asyncio.gather(committed(cluster.url, MARKET, begun), committed(cluster.url, OTHER, asyncio.Event()))
    await begun.wait()
    cluster.servers[old].send_signal(how)
    try:
        await working
    finally:
        cluster.servers[old].send_signal(signal.SIGCONT)
    assert cluster.master(MARKET) != old


async def test_a_failover_over_tls(tmp_path: Path) -> None:
    """Nodes that speak TLS alone are found, and left, in the same way."""
    with clustered(tmp_path, tls=True) as nodes:
        old, begun = nodes.master(MARKET), asyncio.Event()
        working = asyncio.ensure_future(committed(nodes.url, MARKET, begun))
        await begun.wait()
        nodes.servers[old].kill()
        await working
        assert nodes.master(MARKET) != old
        assert "version " in await asyncio.to_thread(stores.check_redis, nodes.url, market=MARKET)


async def test_a_slot_moves_to_another_master_under_load(cluster: Cluster) -> None:
    """While keys are on both sides commands fail; at the end all goes on at the other master, with everything."""
    source, target, begun = cluster.master(MARKET), cluster.master(OTHER), asyncio.Event()
    working = asyncio.ensure_future(committed(cluster.url, MARKET, begun))
    await begun.wait()
    moving = cluster.move(MARKET, target)
    moved = [next(moving)]  # at once: the writer is not done, and cannot be before the end
    bus = RedisBus(cluster.url, MARKET)
    with pytest.raises(RedisError, match="no master"):
        await bus.publish(Stream.SETTINGS, [MutesChanged(version=0, mutes=())])
    await bus.close()
    assert not working.done()
    moved += await asyncio.to_thread(list, moving)
    await working
    assert set(moved) >= {f"{{{MARKET}}}:state:writer", f"{{{MARKET}}}:settings"}
    assert cluster.master(MARKET) == target != source
    with cluster.on(source) as node:
        assert node.execute_command("CLUSTER COUNTKEYSINSLOT", slot_of(MARKET)) == 0


async def test_a_replica_made_the_master_by_hand_is_followed(cluster: Cluster) -> None:
    """CLUSTER FAILOVER loses nothing; the connections to the old master stay open and are left."""
    old = cluster.master(MARKET)
    bus = RedisBus(cluster.url, MARKET)
    await bus.publish(Stream.SETTINGS, [MutesChanged(version=1, mutes=())])
    with cluster.on(cluster.replica_of(old)) as replica:
        replica.execute_command("CLUSTER FAILOVER")
    await asyncio.to_thread(until, lambda: cluster.master(MARKET) != old)
    await persistent(lambda: bus.publish(Stream.SETTINGS, [MutesChanged(version=2, mutes=())]))
    assert [version_of(message) for _, message in await bus.newest(Stream.SETTINGS, 9)] == [1, 2]
    await bus.close()


async def test_a_market_s_user_needs_the_rights_of_the_page(cluster: Cluster) -> None:
    """With the user of docs/growing.md a market's bus works; a key of another market is refused."""
    rights = granted_user().removeprefix("user sevengate ")
    for port in cluster.servers:
        with cluster.on(port) as node:
            node.execute_command("ACL SETUSER", "sevengate", *rights.split(), "+cluster|slots")
    url = cluster.url.replace(f":{PASSWORD}@", "sevengate:PASSWORD@")
    bus = RedisBus(url, MARKET)
    await bus.publish(Stream.SETTINGS, [MutesChanged(version=1, mutes=())])
    assert await bus.memory_bytes() > 0
    await bus.wake()
    await bus.close()
    other = client(url, f"{{{OTHER}}}:")
    with pytest.raises(Exception, match="No permissions"):
        await other.get(f"{{{OTHER}}}:x")
    await other.aclose()


def test_the_check_takes_the_cluster_and_refuses_a_node_of_it(cluster: Cluster) -> None:
    """A node, named by itself, has some markets' keys only, and not for ever."""
    assert "version " in stores.check_redis(cluster.url, market=MARKET)
    node = f"redis://:{PASSWORD}@127.0.0.1:{cluster.master(MARKET)}/0"
    with pytest.raises(StoreError, match=r"redis\+cluster://") as refused:
        stores.check_redis(node)
    assert PASSWORD not in str(refused.value)


def test_an_address_where_no_cluster_is_says_so(fresh_valkey: str) -> None:
    """Each node is named, with what it said."""
    with pytest.raises(StoreError, match=r"no node knows.*cluster support disabled"):
        stores.check_redis(fresh_valkey.replace("redis://", "redis+cluster://"), market=MARKET)
