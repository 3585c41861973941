"""Following the bus of the local stack, which may restart meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from redis.exceptions import RedisError

from shared.bus import Bus
from shared.contracts import Message, Stream

BLOCK_MS: Final = 500
PAUSE_S: Final = 0.5


async def news(bus: Bus, after: Mapping[Stream, str]) -> list[tuple[Stream, str, Message]]:
    """Return the messages after the ids in *after*; none, after a pause, while the bus does not answer."""
    try:
        return await bus.tail(after, block_ms=BLOCK_MS)
    except (RedisError, OSError):  # the services say so, and the supervisor starts it again
        await asyncio.sleep(PAUSE_S)
        return []
