"""The connection to the server: timeouts, and cancellations that are never lost."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import redis.asyncio as redis

SOCKET_TIMEOUT_S: Final = 10.0  #: well above the longest blocking read


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


def client(url: str, **retrying: Any) -> Any:  # redis' types cover both text and bytes
    """Return a client of the server at *url*; close it when done."""
    pool = redis.ConnectionPool.from_url(
        url, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=5.0, health_check_interval=15, **retrying
    )
    pool.connection_class = type("Connection", (_Interruptible, pool.connection_class), {})
    return redis.Redis.from_pool(pool)
