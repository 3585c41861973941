"""Reads the streams, keeps the board newest, and broadcasts what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import structlog
import zstandard
from redis.exceptions import RedisError

from services.api.live.board import Board
from services.api.live.broadcast import Broadcast
from shared.bus import Bus
from shared.bus.replies import order
from shared.contracts import Message, Stream
from shared.runtime.service import Service

STREAMS: Final = (
    *(Stream.SCANS, Stream.DECISIONS, Stream.DECISIONS_PASSED, Stream.ALERTS, Stream.DELIVERIES, Stream.TICKS),
    Stream.SNAPSHOTS,
)

log = structlog.get_logger()


async def follow(service: Service, bus: Bus, board: Board, broadcast: Broadcast) -> None:
    """Keep *board* newest until the service stops, with or without a database."""
    after = dict.fromkeys(STREAMS, "0-0")
    while not service.stopping.is_set():
        try:
            found = await bus.tail(after, count=256)
            for stream, entry_id, _ in found:
                after[stream] = entry_id
                board.seen[stream] = order(entry_id)[0] / 1_000
            update(board, broadcast, (message for _, _, message in found))
        except (msgspec.DecodeError, zstandard.ZstdError) as error:
            log.warning("the live page leaves out what it cannot read", error=str(error))
            after = {stream: await bus.last_id(stream) for stream in STREAMS}
        except (RedisError, OSError) as error:
            log.warning("the live page has no bus", error=str(error))
            await service.pause(1.0)
    broadcast.close()


def update(board: Board, broadcast: Broadcast, messages: Iterable[Message]) -> None:
    """Update *board* with *messages* and broadcast the changes: cards together, only the newest prices."""
    cards: dict[str, Any] = {}
    prices: Any = None
    for message in messages:
        for name, value in board.take(message):
            if name == "card":
                cards[value["symbol"]] = value
            elif name == "prices":
                prices = value
            else:
                broadcast.send(name, value)
    if cards:
        broadcast.send("cards", {"scan_id": board.newest_scan, "items": list(cards.values())})
    if prices is not None:
        broadcast.send("prices", prices)
