"""The server's answers decoded: ids, texts and pages, of either protocol version."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any


def text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def order(entry_id: str) -> tuple[int, int]:
    """Return the sort key of an entry id."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def pages(answer: Any) -> list[tuple[str, list[Any]]]:
    """Return an XREAD answer as (key, entries)."""
    if not answer:
        return []
    if isinstance(answer, Mapping):
        return [
            (text(key), [entry for page in found for entry in (page if _is_page(page) else [page])])
            for key, found in answer.items()
        ]
    return [(text(key), entries) for key, entries in answer]


def _is_page(page: Any) -> bool:
    return isinstance(page, list) and (not page or isinstance(page[0], list | tuple))
