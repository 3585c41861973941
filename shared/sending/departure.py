"""Whether anything of a message has left this machine: what goes wrong before that was certainly not delivered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Departure:
    """What is known of one attempt."""

    left: bool = False  #: the other side may act on what it has


_current: ContextVar[Departure | None] = ContextVar("departure", default=None)


@contextmanager
def watched() -> Iterator[Departure]:
    """Yield the state of the block's attempt, also of tasks and threads that inherit its context."""
    departure = Departure()
    token = _current.set(departure)
    try:
        yield departure
    finally:
        _current.reset(token)


def leave() -> None:
    """Say that from now on something may have arrived."""
    if (departure := _current.get()) is not None:
        departure.left = True


def has_left() -> bool:
    """Whether something may have arrived; true outside a block."""
    departure = _current.get()
    return departure is None or departure.left
