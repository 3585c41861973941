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
from shared.contracts import Message, ScanSettled, Stream
from shared.runtime.service import Service

STREAMS: Final = (
    *(Stream.SCANS, Stream.DECISIONS, Stream.DECISIONS_PASSED, Stream.ALERTS, Stream.DELIVERIES, Stream.TICKS),
    Stream.SNAPSHOTS,
)

Read = Message | PackedSnapshot
PAGE: Final = 256  #: messages of a stream that are read at once

log = structlog.get_logger()


async def follow(service: Service, bus: Bus, board: Board, broadcast: Broadcast) -> None:
    """Keep *board* newest until the service stops, with or without a database."""
    after = dict.fromkeys(STREAMS, "0-0")
    held: list[Read] = []
    while not service.stopping.is_set():
        try:
            found = await bus.entries(after, count=PAGE)
            for stream, entry_id, _ in found:
                after[stream] = entry_id
                board.seen[stream] = order(entry_id)[0] / 1_000
            ready, held = split([*held, *readable(found)], _has_more_decisions(found))
            update(board, broadcast, ready)
        except (RedisError, OSError) as error:
            log.warning("the live page has no bus", error=str(error))
            await service.pause(1.0)
    broadcast.close()


def readable(entries: Sequence[tuple[Stream, str, bytes]]) -> Iterator[Read]:
    """Yield the messages of *entries*; those that cannot be read are counted."""
    for stream, _, data in entries:
        try:
            yield glance(data)
        except UNREADABLE:
            metrics.DROPPED.labels(stream, "unreadable").inc()


def _has_more_decisions(found: Iterable[tuple[Stream, str, bytes]]) -> bool:
    """Return whether more decisions may be waiting: a page of them is full."""
    return sum(stream is Stream.DECISIONS for stream, _, _ in found) >= PAGE


def split(messages: list[Read], more: bool) -> tuple[list[Read], list[Read]]:
    """Return the messages to handle now, and the ends of scans that wait while *more* decisions are read."""
    if not more:
        return messages, []
    ends: list[Read] = [message for message in messages if isinstance(message, ScanSettled)]
    return [message for message in messages if not isinstance(message, ScanSettled)], ends


def update(board: Board, broadcast: Broadcast, messages: Iterable[Read]) -> None:
    """Update *board* with *messages* and broadcast the changes: cards together, only the newest prices.

    Scans come after the cards: a page orders its coins when a scan has ended.
    """
    cards: dict[str, Any] = {}
    scans: dict[int, Any] = {}
    prices: Any = None
    for message in messages:
        for name, value in board.take(message):
            if name == "card":
                cards[value["symbol"]] = value
            elif name == "prices":
                prices = value
            elif name == "scan":
                scans[value["scan_id"]] = value
            else:
                broadcast.send(name, value)
    if cards:
        broadcast.send("cards", {"scan_id": board.newest_scan, "items": list(cards.values())})
    for scan in scans.values():
        broadcast.send("scan", scan)
    if prices is not None:
        broadcast.send("prices", prices)
