"""/api/alerts: alerts that were sent or held back."""

from __future__ import annotations

from fastapi import HTTPException, Response

from services.api import views
from services.api.context import NOT_FOUND, Cursor, Limit, Symbol, Time, Uses, answer, moment, resource
from services.api.schemas.signals import AlertDetail, Alerts
from services.api.store import queries
from services.api.store.pages import Filter
from shared.contracts import AlertKind, Side
from shared.symbols import pair_of

router = resource("alerts")


@router.get("/api/alerts", response_model=Alerts)
async def alerts(
    context: Uses,
    kind: AlertKind | None = None,
    symbol: Symbol = None,
    side: Side | None = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return alerts, newest first."""
    filters = Filter().add("kind = %s", kind).add("symbol = %s", symbol and pair_of(symbol)).add("side = %s", side)
    filters.add("occurred_at >= %s", moment(since)).add("occurred_at <= %s", moment(until))
    page = await queries.alerts(context.database, filters, limit, cursor)
    return answer({"items": page.rows, "next_cursor": page.next_cursor})


@router.get("/api/alerts/{alert_id}", response_model=AlertDetail)
async def alert(context: Uses, alert_id: str) -> Response:
    """Return one alert with its deliveries."""
    found = await queries.alert(context.database, alert_id)
    if found is None:
        raise HTTPException(NOT_FOUND, "no such alert")
    deliveries = await queries.deliveries_of(context.database, [alert_id])
    return answer(views.alerts.alert(found) | {"deliveries": deliveries})
