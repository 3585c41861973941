"""What the bus of a run with real processes is made of: `--stores` chooses, a file for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Protocol, get_args
from urllib.parse import urlsplit

from tests.chaos.buses.cluster import cluster_servers
from tests.chaos.buses.sentinel import Loss, SentinelServers
from tests.chaos.proxy import Proxy
from tests.sentinels import watched

Stores = Literal["valkey", "sentinel", "cluster"]
STORES: Final[tuple[Stores, ...]] = get_args(Stores)


class Servers(Protocol):
    """The servers of a bus."""

    redis_url: str  #: empty: the local stack's own Valkey

    async def environment(self, proxy: Proxy, name: str, redis_url: str) -> dict[str, str]:
        """Return how the service *name* finds the bus through its doors; *redis_url* is the bus without doors."""
        ...

    async def fail_over(self, loss: Loss) -> None:
        """Take the master away by *loss*; return when there is another and the servers are complete."""
        ...


class OneValkey:
    """The local stack's own Valkey, which nothing replaces."""

    redis_url = ""

    async def environment(self, proxy: Proxy, name: str, redis_url: str) -> dict[str, str]:
        port = urlsplit(redis_url).port or 0
        door = await proxy.door(name, port)
        return {"SEVENGATE_REDIS_URL": redis_url.replace(f":{port}/", f":{door}/")}

    async def fail_over(self, loss: Loss) -> None:
        raise AssertionError("a single Valkey has no replica")


@contextmanager
def servers_of(stores: Stores, folder: Path) -> Iterator[Servers]:
    """Run the servers of *stores* while the block runs, but for the local stack's own."""
    if stores == "valkey":
        yield OneValkey()
        return
    if stores == "cluster":
        with cluster_servers(folder) as nodes:
            yield nodes
        return
    with watched(folder) as servers:
        yield SentinelServers(servers)
