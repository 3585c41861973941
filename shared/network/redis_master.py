"""Where the master is: sentinels name it, or the nodes of a cluster name that of a slot."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Final

import redis as blocking
import redis.asyncio as redis
from redis import sentinel as blocking_sentinel
from redis.asyncio import sentinel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry as BlockingRetry

from shared.network.redis_address import RedisAddress

ASKING_TIMEOUT_S: Final = 1.0  #: then the next sentinel or node is asked
SLOTS: Final = "CLUSTER SLOTS"


async def find(address: RedisAddress, slot: int, tls: dict[str, Any]) -> tuple[str, int]:
    """Ask one after another where the master is, in a cluster that of *slot*; `ConnectionError` where none knows."""
    asking = _asking(address, Retry(NoBackoff(), 0), tls)
    if address.nodes:
        return await _find_in_cluster(address, slot, asking)
    known = sentinel.Sentinel(address.sentinels, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    try:
        host, port = await known.discover_master(address.service)
    finally:
        for one in known.sentinels:
            await one.aclose()
    return str(host), int(port)


def blocking_find(address: RedisAddress, slot: int, tls: dict[str, Any]) -> tuple[str, int]:
    """`find` for blocking clients."""
    asking = _asking(address, BlockingRetry(NoBackoff(), 0), tls)
    if address.nodes:
        return _blocking_find_in_cluster(address, slot, asking)
    known = blocking_sentinel.Sentinel(address.sentinels, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    try:
        host, port = known.discover_master(address.service)  # type: ignore[no-untyped-call]
    finally:
        for one in known.sentinels:
            one.close()
    return str(host), int(port)


async def _find_in_cluster(address: RedisAddress, slot: int, asking: dict[str, Any]) -> tuple[str, int]:
    failures = []
    for host, port in _in_any_order(address):
        node = redis.Redis(host=host, port=port, decode_responses=True, **asking)
        try:
            return _holder(await node.execute_command(SLOTS), slot, host)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, LookupError) as error:
            failures.append(f"{host}:{port}: {error}")
        finally:
            await node.aclose()
    raise _not_found(slot, failures)


def _blocking_find_in_cluster(address: RedisAddress, slot: int, asking: dict[str, Any]) -> tuple[str, int]:
    failures = []
    for host, port in _in_any_order(address):
        node = blocking.Redis(host=host, port=port, decode_responses=True, **asking)
        try:
            return _holder(node.execute_command(SLOTS), slot, host)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, LookupError) as error:
            failures.append(f"{host}:{port}: {error}")
        finally:
            node.close()
    raise _not_found(slot, failures)


def _in_any_order(address: RedisAddress) -> list[tuple[str, int]]:
    """Return the nodes, in another order each time: one that is cut off from the others names the old master."""
    return random.sample(address.nodes, len(address.nodes))


def _holder(ranges: Iterable[Any], slot: int, asked: str) -> tuple[str, int]:
    """Return the master of *slot*, of *ranges* as the node at the host *asked* gave them; `LookupError` without one."""
    for first, last, (host, port, *_), *_ in ranges:
        if first <= slot <= last:
            if host == "?":  # it is to be called by a name, and has none
                break
            return host or asked, int(port)
    raise LookupError("names no master")


def _not_found(slot: int, failures: list[str]) -> RedisConnectionError:
    return RedisConnectionError(f"no node knows the master of slot {slot}: {'; '.join(failures)}")


def _asking(address: RedisAddress, retry: Any, tls: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the connections to those who are asked."""
    login = {"username": address.username, "password": address.password}
    timeouts = {"socket_timeout": ASKING_TIMEOUT_S, "socket_connect_timeout": ASKING_TIMEOUT_S}
    return {**login, **timeouts, "retry": retry, **tls}
