"""One listener's events: those that it missed, or a resync, then every change."""

from __future__ import annotations

import time
from asyncio import Queue
from collections.abc import AsyncIterator
from typing import Final

from services.api.live.board import Board
from services.api.live.broadcast import Broadcast, encode_event
from services.api.views.facts import Json
from shared.runtime.service import Service

HEARTBEAT_S: Final = 10.0
RETRY_MS: Final = 2_000


async def events(queue: Queue[bytes | None], board: Board, broadcast: Broadcast, after: str) -> AsyncIterator[bytes]:
    """Yield the events after *after* (an event's id; empty: from now on), then new ones as they come.

    Where some of those after *after* are gone, the first event is ``resync``: take a new snapshot.
    """
    missed = broadcast.since(after) if after else []
    yield encode_event("heartbeat", heartbeat(board), retry=RETRY_MS)
    if missed is None:
        yield encode_event("resync", {"reason": "the gap is too old"}, event_id=broadcast.newest_id)
    for event in missed or ():
        yield event
    while (following := await queue.get()) is not None:
        yield following


async def keep_beating(service: Service, board: Board, broadcast: Broadcast) -> None:
    """Send a heartbeat every ten seconds, until the service stops."""
    while not service.stopping.is_set():
        broadcast.say("heartbeat", heartbeat(board))
        await service.pause(HEARTBEAT_S)


def heartbeat(board: Board) -> Json:
    return {"now": time.time_ns() // 1_000_000, "exchange_time": board.exchange_time, "scan_id": board.newest_scan}
