"""/api/signals: open and past signals."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, HTTPException, Response

from services.api import queries
from services.api.context import Limit, Offset, Symbol, Time, Uses, answer, moment, page
from services.api.queries import Filter

router = APIRouter(tags=["signals"])


@router.get("/api/signals")
async def signals(
    context: Uses,
    status: Literal["open", "closed", "target", "stop", "invalidated", "expired"] | None = None,
    symbol: Symbol = None,
    side: Literal["long", "short"] | None = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Return signals, newest first."""
    filters = Filter().add("symbol = %s", symbol and symbol.upper()).add("side = %s", side)
    filters.add("scan_id >= %s", moment(since)).add("scan_id <= %s", moment(until))
    if status == "closed":
        filters.add("status <> %s", "open")
    else:
        filters.add("status = %s", status)
    return page(await queries.signals(context.database, filters, limit, offset), limit, offset)


@router.get("/api/signals/{signal_id}")
async def signal(context: Uses, signal_id: str) -> Response:
    """Return one signal with every alert about it."""
    found = await queries.signals(context.database, Filter().add("signal_id = %s", signal_id), 1, 0)
    if not found:
        raise HTTPException(404, "no such signal")
    alerts = await queries.alerts(context.database, Filter().add("subject = %s", signal_id), 1_000, 0)
    return answer(found[0] | {"alerts": alerts})
