"""/api/alerts, /api/deliveries: what was told, and how it arrived."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, HTTPException, Response

from services.api import present, queries
from services.api.context import Limit, Offset, Symbol, Time, Uses, Word, answer, moment, page
from services.api.queries import Filter
from shared.contracts import AlertKind, DeliveryStatus

router = APIRouter(tags=["alerts"])


@router.get("/api/alerts")
async def alerts(
    context: Uses,
    kind: AlertKind | None = None,
    symbol: Symbol = None,
    side: Literal["long", "short"] | None = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Return alerts, newest first."""
    filters = Filter().add("kind = %s", kind).add("symbol = %s", symbol and symbol.upper()).add("side = %s", side)
    filters.add("occurred_at >= %s", moment(since)).add("occurred_at <= %s", moment(until))
    return page(await queries.alerts(context.database, filters, limit, offset), limit, offset)


@router.get("/api/alerts/{alert_id}")
async def alert(context: Uses, alert_id: str) -> Response:
    """Return one alert with its deliveries."""
    found = await queries.alert(context.database, alert_id)
    if found is None:
        raise HTTPException(404, "no such alert")
    reports = await queries.deliveries(context.database, Filter().add("alert_id = %s", alert_id), 1_000, 0)
    return answer(present.alert(found) | {"deliveries": reports})


@router.get("/api/deliveries")
async def deliveries(
    context: Uses,
    alert_id: Word = None,
    destination: Word = None,
    status: DeliveryStatus | None = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Return every attempt to tell somebody, newest first; *since* and *until* are wall clock."""
    filters = Filter().add("alert_id = %s", alert_id).add("destination = %s", destination).add("status = %s", status)
    filters.add("at >= %s", moment(since)).add("at <= %s", moment(until))
    return page(await queries.deliveries(context.database, filters, limit, offset), limit, offset)
