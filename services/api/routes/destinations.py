"""/api/destinations: a test alert to one of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import HTTPException, Path, Response

from services.api.context import NOT_FOUND, Context, Uses, answer, now_ms, resource
from services.api.schemas.base import TEXT
from services.api.schemas.signals import Sending
from shared import ids
from shared.contracts import Alert, Stream, SystemBody
from shared.settings import RuntimeSettings

router = resource("destinations")


@router.post("/api/destinations/{name}/test", status_code=202, response_model=Sending)
async def test(context: Uses, name: Annotated[str, Path(max_length=200, pattern=TEXT)]) -> Response:
    """Send a test alert to a destination; `/api/deliveries?alert_id=` shows its delivery."""
    if name not in destinations_of(context):
        raise HTTPException(NOT_FOUND, known_destination(context, name))
    at = now_ms()
    alert = Alert(
        alert_id=ids.system_alert_id(context.bus.market, f"test:{name}:{at}"),
        kind="system",
        body=SystemBody(code="test", headline="Test alert from Sevengate", lines=(f"{name} receives alerts.",)),
        occurred_at=at,
        created_at=at,
        destinations=(name,),
    )
    await context.bus.publish(Stream.ALERTS, [alert])
    return answer({"alert_id": alert.alert_id, "destination": name}, 202)


def destinations_of(context: Context) -> list[str]:
    """Return the names of all destinations in force."""
    current = context.publisher.current
    return list(RuntimeSettings.model_validate(current.value).destinations) if current else []


def known_destination(context: Context, name: str) -> str:
    """Return the sentence for an unknown destination *name*."""
    known = ", ".join(destinations_of(context)) or "none"
    return f"there is no destination {name!r}; there are: {known}"
