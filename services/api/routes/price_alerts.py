"""/api/price-alerts: prices people asked to be told of."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.api import people
from services.api.context import TEXT, Context, Uses, answer
from shared.contracts import PriceAlert, PriceCondition

router = APIRouter(tags=["price alerts"])
SYMBOL = r"^[^\x00-\x20\x7f]{1,40}$"


class NewPriceAlert(BaseModel):
    """What to be told of."""

    model_config = ConfigDict(extra="forbid")

    symbol: str = Field(pattern=SYMBOL)
    condition: PriceCondition
    value: float = Field(gt=0, lt=1e12, allow_inf_nan=False, description="a price; for 'moves' a fraction, 0.05 is 5 %")
    window_seconds: int = Field(default=0, ge=0, le=7 * 86_400, description="for 'moves'")
    repeat: bool = False
    cooldown_seconds: int = Field(default=3_600, ge=0, le=365 * 86_400)
    note: str = Field(default="", max_length=200, pattern=TEXT)

    @model_validator(mode="after")
    def _moves_within(self) -> NewPriceAlert:
        if self.condition == "moves" and self.window_seconds < 60:
            raise ValueError("'moves' needs window_seconds of at least 60")
        if self.condition == "moves" and self.value > 10:
            raise ValueError("'moves' takes a fraction: 0.05 is 5 %")
        return self


@router.get("/api/price-alerts")
async def price_alerts(context: Uses) -> Response:
    """Return all price alerts, those that have fired and are over included."""
    rows = await people.price_alerts(context.database)
    return answer({"items": [row | {"stands": people.stands(row)} for row in rows]})


@router.post("/api/price-alerts", status_code=201)
async def add(context: Uses, wanted: NewPriceAlert) -> Response:
    """Add a price alert; only prices after this moment count."""
    values = wanted.model_dump() | {"symbol": wanted.symbol.upper()}
    alert = PriceAlert(price_alert_id=uuid.uuid4().hex[:12], created_at=exchange_now(context), **values)
    await people.add_price_alert(context.database, alert)
    context.publisher.wake()
    return answer({name: getattr(alert, name) for name in PriceAlert.__struct_fields__}, 201)


@router.delete("/api/price-alerts/{price_alert_id}", status_code=204)
async def remove(context: Uses, price_alert_id: Annotated[str, Path(max_length=40, pattern=TEXT)]) -> Response:
    """Remove a price alert."""
    if not await people.remove_price_alert(context.database, price_alert_id):
        raise HTTPException(404, "no such price alert")
    context.publisher.wake()
    return Response(status_code=204)


def exchange_now(context: Context) -> int:
    """Return the exchange's time as far as it was heard of; 0 before the first tick, so that every tick counts."""
    return context.board.tick.at if context.board.tick else context.board.newest_scan
