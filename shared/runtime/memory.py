"""Memory that a scan has freed goes back to the system: the C library would keep it for the next one."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Return freed memory to the system; it takes about a millisecond."""
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """Return the C library's function; glibc has one, others (musl, macOS) keep less."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
