"""A TCP connection to a checked address, for protocols other than HTTP."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence

from shared.network.addresses import lookup


async def connect(host: str, port: int, allow: Sequence[str], limit: float) -> socket.socket:
    """Return a connection to the first address of *host* that can be reached within *limit* seconds.

    Raises `Forbidden`, `socket.gaierror` where the name is not known, `OSError` where no address answers.
    """
    loop, deadline = asyncio.get_running_loop(), time.monotonic() + limit
    failed: OSError = TimeoutError("no address answers")
    for address in await lookup(host, port, allow):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(min(5.0, left)):
                await loop.sock_connect(connection, (str(address), port))
        except OSError as error:  # a time-out is one
            connection.close()
            failed = error
        else:
            return connection
    raise failed
