"""/api/deliveries: every attempt to send an alert, and sending one again."""

from __future__ import annotations

import msgspec
from fastapi import HTTPException, Response

from services.api.context import NOT_FOUND, Cursor, Limit, Time, Uses, Word, answer, moment, now_ms, resource
from services.api.problems import MistakesError
from services.api.routes.destinations import destinations_of, known_destination
from services.api.schemas.signals import Deliveries, ResendRequest, Sending
from services.api.store import queries
from services.api.store.inserts import AGAIN
from services.api.store.pages import Filter
from shared.contracts import DeliveryStatus, Stream

router = resource("deliveries")


@router.get("/api/deliveries", response_model=Deliveries)
async def deliveries(
    context: Uses,
    alert_id: Word = None,
    destination: Word = None,
    status: DeliveryStatus | None = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return every attempt, newest first; *since* and *until* are wall clock."""
    filters = Filter().add("alert_id = %s", alert_id).add("destination = %s", destination).add("status = %s", status)
    filters.add("at >= %s", moment(since)).add("at <= %s", moment(until))
    page = await queries.deliveries(context.database, filters, limit, cursor)
    return answer({"items": page.rows, "next_cursor": page.next_cursor})


@router.post("/api/deliveries/resend", status_code=202, response_model=Sending)
async def resend(context: Uses, wanted: ResendRequest) -> Response:
    """Send an alert to a destination again, as of this moment; `/api/deliveries?alert_id=` shows its delivery."""
    if wanted.destination not in destinations_of(context):
        raise MistakesError([known_destination(context, wanted.destination)])
    found = await queries.alert(context.database, wanted.alert_id)
    if found is None:
        raise HTTPException(NOT_FOUND, "no such alert")
    at = now_ms()
    again = msgspec.structs.replace(
        found,
        alert_id=f"{AGAIN}{at}:{found.alert_id}",
        created_at=at,
        held_by="",
        destinations=(wanted.destination,),
    )
    await context.bus.publish(Stream.ALERTS, [again])
    return answer({"alert_id": again.alert_id, "destination": wanted.destination}, 202)
