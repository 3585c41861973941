"""Sends events to all listeners, and keeps the newest for those that reconnect."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from fastapi.sse import format_sse_event

from shared import metrics

QUEUE: Final = 500  #: events that a slow listener may be behind before it is disconnected
REMEMBERED_BYTES: Final = 8_000_000
MOST_LISTENERS: Final = 256
MOST_OF_ADDRESS: Final = 64


class TooManyListenersError(Exception):
    """The limit of listeners is reached."""


class Broadcast:
    """Events numbered in their order; an id carries this process' own mark, so that a restart is noticed."""

    def __init__(self, *, remembered_bytes: int = REMEMBERED_BYTES) -> None:
        self.mark = secrets.token_hex(4)
        self.number = 0
        self._most_bytes = remembered_bytes
        self._bytes = 0
        self._remembered: deque[tuple[int, bytes]] = deque()
        self._listeners: dict[asyncio.Queue[bytes | None], str] = {}

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def newest_id(self) -> str:
        """The id of the newest event."""
        return f"{self.mark}-{self.number}"

    def send(self, name: str, value: Any) -> None:
        """Send an event to all listeners, and keep it."""
        self.number += 1
        event = encode_event(name, value, event_id=self.newest_id)
        self._remembered.append((self.number, event))
        self._bytes += len(event)
        while self._bytes > self._most_bytes:
            self._bytes -= len(self._remembered.popleft()[1])
        self._hand_on(event)

    def say(self, name: str, value: Any) -> None:
        """Send an event that is not kept, such as a heartbeat."""
        if self._listeners:
            self._hand_on(encode_event(name, value))

    def _hand_on(self, event: bytes) -> None:
        """Send *event* to all; a listener that is too far behind is disconnected."""
        for queue in list(self._listeners):
            if queue.full():
                del self._listeners[queue]
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    def since(self, event_id: str) -> list[bytes] | None:
        """Return the events after *event_id*; None where some are gone, or it is another process's."""
        mark, _, number = event_id.partition("-")
        if mark != self.mark or not number.isascii() or not number.isdecimal() or len(number) > 15:
            return None
        after = int(number)
        oldest = self._remembered[0][0] if self._remembered else self.number + 1
        if after > self.number or after < oldest - 1:
            return None
        return [event for held, event in self._remembered if held > after]

    def close(self) -> None:
        """End every listener's stream."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    def admit(self, address: str) -> None:
        """Raise `TooManyListenersError` where the limit is reached, of *address* or of all."""
        held = sum(other == address for other in self._listeners.values())
        if len(self._listeners) >= MOST_LISTENERS or held >= MOST_OF_ADDRESS:
            raise TooManyListenersError

    @contextmanager
    def listening(self, address: str = "") -> Iterator[asyncio.Queue[bytes | None]]:
        """Yield a queue of the events from now on; None ends it."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._listeners[queue] = address
        metrics.LISTENERS.inc()
        try:
            yield queue
        finally:
            self._listeners.pop(queue, None)
            metrics.LISTENERS.dec()


def encode_event(name: str, value: Any, *, event_id: str | None = None, retry: int | None = None) -> bytes:
    """Return one server-sent event; values that are not numbers become null."""
    return format_sse_event(data_str=msgspec.json.encode(value).decode(), event=name, id=event_id, retry=retry)
