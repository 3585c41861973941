"""A Valkey Cluster behind the proxy, whose nodes name doors in each other's place, and a Valkey for the jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.terminal.local import stores
from shared.config.environment import MARKET
from tests.chaos.buses.sentinel import AHEAD_SECONDS, Loss, hang
from tests.chaos.proxy import Proxy
from tests.clusters import Cluster, address_of, clustered, command
from tests.conftest import running
from tests.sentinels import PASSWORD, until

JOBS = "SEVENGATE_JOBS_REDIS_URL"


class ClusterServers:
    """The nodes and the jobs' server as a run uses them."""

    def __init__(self, cluster: Cluster, jobs: str) -> None:
        self.cluster = cluster
        self.jobs = jobs
        self.redis_url = cluster.url

    async def environment(self, proxy: Proxy, name: str, redis_url: str) -> dict[str, str]:
        """Return the addresses of doors to the nodes, which name each other's doors, and of one to the jobs' server."""
        doors: dict[int, int] = {}
        for port in self.cluster.servers:
            doors[port] = await proxy.door(name, port, doors)
        port = int(self.jobs.rpartition(":")[2].partition("/")[0])
        jobs = self.jobs.replace(f":{port}/", f":{await proxy.door(name, port)}/")
        return {"SEVENGATE_REDIS_URL": address_of(list(doors.values())), JOBS: jobs}

    async def fail_over(self, loss: Loss) -> None:
        """Take the market's master away by *loss*; return when there is another and it has its replica."""
        await asyncio.to_thread(self._fail_over, loss)

    def _fail_over(self, loss: Loss) -> None:
        old = self.cluster.master(MARKET)
        replica = self.cluster.replica_of(old)
        if loss == "killed while ahead":
            self._keep_out(replica, old)
            time.sleep(AHEAD_SECONDS)
        if loss == "hangs":
            hang(self.cluster.servers[old], lambda: self._wait_for_another(old))
        else:
            self.cluster.servers[old].kill()
            self._wait_for_another(old)
            self._let_in(replica)
            self.cluster.start_again(old)
        until(lambda: self.cluster.replicas(self.cluster.master(MARKET)) == 1)

    def _keep_out(self, replica: int, master: int) -> None:
        """Cut the node at *replica* off from its master: it knows another password, and has to connect again."""
        with self.cluster.on(replica) as node, self.cluster.on(master) as other:
            command(node, "CONFIG SET", "primaryauth", "wrong")
            command(other, "CLIENT KILL", "TYPE", "replica")

    def _let_in(self, replica: int) -> None:
        with self.cluster.on(replica) as node:
            command(node, "CONFIG SET", "primaryauth", PASSWORD)

    def _wait_for_another(self, old: int) -> None:
        until(lambda: self.cluster.master(MARKET) != old)


@contextmanager
def cluster_servers(folder: Path) -> Iterator[ClusterServers]:
    """Run the servers while the block runs; every process of it finds the jobs' server."""
    store = stores.valkey(folder / "jobs", durable=False)
    with clustered(folder) as cluster, running(store.argv), pytest.MonkeyPatch.context() as variables:
        stores.wait_for_valkey(store.url)
        variables.setenv(JOBS, store.url)
        yield ClusterServers(cluster, store.url)
