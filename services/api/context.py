"""What the routes work with, and the types of their parameters."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, HTTPException, Query, Request, Response

from services.api.board import Board, Broadcast
from services.api.database import Database
from services.api.publication import Publisher
from services.api.recorder import Recorder
from shared.bus import Bus
from shared.service import Service

LATEST: Final = 253_402_300_799_999  #: the end of the year 9999, ms
TEXT: Final = r"^[^\x00]*$"  #: what Postgres can hold


@dataclass(frozen=True)
class Context:
    """Everything that the routes need."""

    service: Service
    bus: Bus
    database: Database
    board: Board
    broadcast: Broadcast
    recorder: Recorder
    publisher: Publisher


def context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Uses = Annotated[Context, Depends(context_of)]
Symbol = Annotated[str | None, Query(max_length=40, pattern=TEXT)]
Word = Annotated[str | None, Query(max_length=200, pattern=TEXT)]
Limit = Annotated[int, Query(ge=1, le=1_000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Time = Annotated[str | None, Query(max_length=40, description="UNIX milliseconds, or ISO 8601 (UTC unless it says)")]


def answer(value: Any, status: int = 200) -> Response:
    """Return *value* as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def page(items: list[Any], limit: int, offset: int) -> Response:
    """Return one page and where the next one begins, null after the last."""
    return answer({"items": items, "next_offset": offset + limit if len(items) == limit else None})


def moment(text: str | None) -> int | None:
    """Return the UNIX milliseconds that *text* means; raise 422 where it means none."""
    if text is None:
        return None
    try:
        at = int(text) if text.lstrip("-").isdecimal() else _iso(text)
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"not a time: {text!r}") from error
    if not 0 <= at <= LATEST:
        raise HTTPException(422, f"not a time of this era: {text!r}")
    return at


def _iso(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
