"""Reads the streams, keeps the board newest, and broadcasts what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from services.api.live.board import Board
from services.api.live.broadcast import Broadcast
from shared import metrics
from shared.bus import Bus
from shared.bus.replies import order
from shared.bus.wire import UNREADABLE, PackedSnapshot, glance
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
            found = await bus.entries(after, count=256)
            for stream, entry_id, _ in found:
                after[stream] = entry_id
                board.seen[stream] = order(entry_id)[0] / 1_000
            update(board, broadcast, readable(found))
        except (RedisError, OSError) as error:
            log.warning("the live page has no bus", error=str(error))
            await service.pause(1.0)
    broadcast.close()


def readable(entries: Sequence[tuple[Stream, str, bytes]]) -> Iterator[Message | PackedSnapshot]:
    """Yield the messages of *entries*; those that cannot be read are counted."""
    for stream, _, data in entries:
        try:
            yield glance(data)
        except UNREADABLE:
            metrics.DROPPED.labels(stream, "unreadable").inc()


def update(board: Board, broadcast: Broadcast, messages: Iterable[Message | PackedSnapshot]) -> None:
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
