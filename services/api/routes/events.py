"""/api/events: everything as it happens, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse

from services.api.context import Uses, resource
from services.api.live.sse import events
from services.api.schemas.live import LiveEvents

router = resource("live")
EventId = Annotated[str, Query(max_length=40, description="`event_id` of `/api/coins`: hear all that came after it")]


class EventStream(StreamingResponse):
    """Server-sent events; FastAPI's own response class takes generators only, which cannot refuse before they begin."""

    media_type = "text/event-stream"


@router.get(
    "/api/events",
    response_class=EventStream,
    responses={
        200: {"model": LiveEvents, "description": "Each event's name is a field of the model, its data its value"}
    },
)
async def stream(
    context: Uses,
    request: Request,
    after: EventId = "",
    last_event_id: Annotated[str, Header(max_length=40)] = "",
) -> EventStream:
    """Send the events since `Last-Event-ID` (or *after*), then every change.

    `heartbeat` comes first and every ten seconds; `resync` means that missed events are gone:
    take a new snapshot from `/api/coins`.
    """
    address = request.client.host if request.client else ""
    context.broadcast.admit(address)  # here, so that one too many is refused before the answer begins
    is_over = context.service.stopping.is_set() or request.scope.get("sevengate.head", False)

    async def encoded() -> AsyncIterator[bytes]:
        if not is_over:
            with context.broadcast.listening(address) as queue:
                async for event in events(queue, context.board, context.broadcast, last_event_id or after):
                    yield event

    return EventStream(encoded(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
