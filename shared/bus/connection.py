"""The connections to the server: timeouts, the master wherever it is now, and cancellations that are never lost."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import redis as blocking
import redis.asyncio as redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, ReadOnlyError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.network import redis_master
from shared.network.redis_address import RedisAddress

SOCKET_TIMEOUT_S: Final = 10.0  #: well above the longest blocking read
CONNECT_TIMEOUT_S: Final = 5.0
HEALTH_CHECK_S: Final = 15
#: a server that is no master any more, or none that may write; as part of an error: a script's, in Redis 6.2
NO_MASTER: Final = ("READONLY", "UNBLOCKED", "NOREPLICAS")
#: the same of a cluster's node, of this slot: MOVED too is an `AskError`, and MASTERDOWN a `ClusterDownError`
NO_MASTER_ERRORS: Final = (ReadOnlyError, AskError, TryAgainError, ClusterDownError)


class _Interruptible:
    """Before a connection class: a cancellation that comes while a command is being written ends the command.

    redis-py writes under `asyncio.wait_for`, which in Python 3.11 forgets a cancellation that comes as the write ends
    (python/cpython#86296): the caller that cancelled a loop would wait for its end for ever.
    """

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        await super().send_packed_command(*arguments, **options)  # type: ignore[misc]
        if task and task.cancelling() > before:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # no one reads the answer any more
            raise asyncio.CancelledError


class _AtMaster:
    """Before a connection class: each connection asks anew where the master is, and leaves one that is none any more.

    Nothing was written where a server says that it is no master, so the command may be repeated like one that could
    not be sent.
    """

    address: RedisAddress
    slot: int
    host: str
    port: int

    async def _connect(self) -> None:
        if self.address.is_asked_for:
            self.host, self.port = await redis_master.find(self.address, self.slot, _tls(self))
        await super()._connect()  # type: ignore[misc]

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*arguments, **options)  # type: ignore[misc]
        except ResponseError as error:
            if not _is_no_master(error):
                raise
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            raise RedisConnectionError(f"no master: {error}") from error


class _BlockingAtMaster:
    """`_AtMaster` for the blocking connections, such as rq's."""

    address: RedisAddress
    slot: int
    host: str
    port: int

    def _connect(self) -> Any:
        if self.address.is_asked_for:
            self.host, self.port = redis_master.blocking_find(self.address, self.slot, _tls(self))
        return super()._connect()  # type: ignore[misc]

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except ResponseError as error:
            if not _is_no_master(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise RedisConnectionError(f"no master: {error}") from error


def _is_no_master(error: ResponseError) -> bool:
    return isinstance(error, NO_MASTER_ERRORS) or any(word in str(error) for word in NO_MASTER)


def _tls(connection: Any) -> dict[str, Any]:
    """Return the options with which *connection* trusts its server: those it asks are of the same authority."""
    pool_options: dict[str, Any] = connection.tls_options
    return pool_options


def client(url: str, key: str = "", **retrying: Any) -> Any:  # redis' types cover both text and bytes
    """Return a client of the server at *url*, or of the master that is found by it; close it when done.

    In a cluster that is the master of the slot of *key*; all other keys of the client have to be in that slot.
    """
    address = RedisAddress.of(url)
    pool = redis.ConnectionPool.from_url(
        address.url,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        health_check_interval=HEALTH_CHECK_S,
        **retrying,
    )
    pool.connection_class = type(
        "Connection", (_Interruptible, _AtMaster, pool.connection_class), _own(address, key, pool)
    )
    return redis.Redis.from_pool(pool)


def blocking_client(url: str, key: str = "", *, socket_timeout: float = SOCKET_TIMEOUT_S) -> blocking.Redis:
    """Return the blocking client that rq needs, of the same server as `client`; close it when done.

    rq's workers raise *socket_timeout* above the time that they wait for a job.
    """
    address = RedisAddress.of(url)
    pool = blocking.ConnectionPool.from_url(
        address.url,
        socket_timeout=socket_timeout,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        health_check_interval=HEALTH_CHECK_S,
    )
    pool.connection_class = type("Connection", (_BlockingAtMaster, pool.connection_class), _own(address, key, pool))
    return blocking.Redis.from_pool(pool)


def _own(address: RedisAddress, key: str, pool: Any) -> dict[str, Any]:
    """Return what the connections of *pool* know of their address."""
    options: dict[str, Any] = pool.connection_kwargs
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    trust = {"ssl": True, **tls} if address.url.startswith("rediss:") else {}
    return {"address": address, "slot": key_slot(key.encode()), "tls_options": trust}
