"""The routes' context, and the types of their parameters."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from services.api.access.keyring import Keyring
from services.api.live.board import Board
from services.api.live.broadcast import Broadcast
from services.api.problems import RESPONSES, StrictRoute
from services.api.recorder import Recorder
from services.api.schemas.base import LATEST, TEXT
from services.api.settings_publisher import SettingsPublisher
from services.api.store.database import Database
from shared.bus import Bus
from shared.runtime.remembered import Remembered
from shared.runtime.service import Service

NOT_FOUND: Final = 404
COUNTED_S: Final = 10.0  #: between two counts of signals and scans


@dataclass(frozen=True)
class Context:
    """The objects of one market that all routes share."""

    service: Service
    bus: Bus
    database: Database
    board: Board
    broadcast: Broadcast
    recorder: Recorder
    publisher: SettingsPublisher
    keyring: Keyring
    #: of `counts.load`
    counts: Remembered[Any] = field(default_factory=lambda: Remembered(COUNTED_S))


Market = Annotated[
    str | None,
    Query(max_length=40, pattern=TEXT, description="one of the markets that this API serves; the first by default"),
]


def contexts_of(request: Request) -> tuple[Context, ...]:
    """Return what there is of each market."""
    contexts: tuple[Context, ...] = request.app.state.contexts
    return contexts


def context_of(request: Request, market: Market = None) -> Context:
    """Return what there is of *market*; raise 404 where it is not served."""
    contexts = contexts_of(request)
    if market is None:
        return contexts[0]
    found = next((context for context in contexts if context.bus.market == market), None)
    if found is None:
        served = ", ".join(context.bus.market for context in contexts)
        raise HTTPException(NOT_FOUND, f"no market {market}: this API serves {served}")
    return found


def resource(tag: str) -> APIRouter:
    """Return the router of one resource, which refuses unknown parameters and fields with a sentence."""
    return APIRouter(tags=[tag], route_class=StrictRoute, responses=RESPONSES)


Uses = Annotated[Context, Depends(context_of)]
UsesAll = Annotated[tuple[Context, ...], Depends(contexts_of)]
Symbol = Annotated[str | None, Query(max_length=40, pattern=TEXT, description="BTCUSDT, or BTC", examples=["BTCUSDT"])]
Word = Annotated[str | None, Query(max_length=200, pattern=TEXT)]
Limit = Annotated[int, Query(ge=1, le=1_000)]
Cursor = Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before")]
Time = Annotated[str | None, Query(max_length=40, description="UNIX milliseconds, or ISO 8601 (UTC unless it says)")]


def answer(value: Any, status: int = 200) -> Response:
    """Return *value* as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


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


def new_id() -> str:
    """Return an id for an object that a user made."""
    return uuid.uuid4().hex[:12]
