"""/stream: everything as it happens, as server-sent events."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from services.api.board import events
from services.api.context import Uses

router = APIRouter(tags=["live"])


@router.get("/stream", response_class=StreamingResponse)
async def stream(context: Uses) -> StreamingResponse:
    """Send the whole board, then changes: scan, row, prices, alert, delivery."""
    return StreamingResponse(
        events(context.board, context.broadcast, context.service.stopping),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
