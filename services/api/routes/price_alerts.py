"""/api/price-alerts: price alerts that users set."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import HTTPException, Path, Response

from services.api.context import NOT_FOUND, Context, Uses, answer, new_id, resource
from services.api.routes.symbols import watched
from services.api.schemas.base import TEXT
from services.api.schemas.settings import NewPriceAlert, PriceAlerts, PriceAlertShown
from services.api.store import user_settings
from shared.contracts import PriceAlert

router = resource("price alerts")


@router.get("/api/price-alerts", response_model=PriceAlerts)
async def price_alerts(context: Uses) -> Response:
    """Return all price alerts, including those that have fired for good."""
    rows = await user_settings.price_alerts(context.database)
    return answer({"items": [row | {"stands": user_settings.stands(row)} for row in rows]})


@router.post("/api/price-alerts", status_code=201, response_model=PriceAlertShown)
async def add(context: Uses, wanted: NewPriceAlert) -> Response:
    """Add a price alert; only prices after this moment count."""
    values = wanted.model_dump() | {"symbol": watched(context, wanted.symbol)}
    alert = PriceAlert(price_alert_id=new_id(), created_at=exchange_now(context), **values)
    await user_settings.add_price_alert(context.database, alert)
    context.publisher.wake()
    return answer(msgspec.structs.asdict(alert) | {"fired_at": None, "stands": True}, 201)


@router.delete("/api/price-alerts/{price_alert_id}", status_code=204)
async def remove(context: Uses, price_alert_id: Annotated[str, Path(max_length=40, pattern=TEXT)]) -> Response:
    """Remove a price alert."""
    if not await user_settings.remove_price_alert(context.database, price_alert_id):
        raise HTTPException(NOT_FOUND, "no such price alert")
    context.publisher.wake()
    return Response(status_code=204)


def exchange_now(context: Context) -> int:
    """Return the exchange's newest known time; 0 before the first tick, so that every tick counts."""
    return context.board.exchange_time or context.board.newest_scan
