"""/api/mutes: what not to tell, where, and until when."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api import people
from services.api.context import LATEST, TEXT, Uses, answer, now_ms
from shared.contracts import AlertKind, Mute

router = APIRouter(tags=["mutes"])


class NewMute(BaseModel):
    """What not to tell; a field that is left out matches everything."""

    model_config = ConfigDict(extra="forbid")

    until: int | None = Field(default=None, ge=0, le=LATEST, description="wall clock, UNIX ms")
    seconds: int | None = Field(default=None, ge=1, le=10 * 365 * 86_400, description="from now, instead of until")
    symbol: str = Field(default="", max_length=40, pattern=TEXT)
    side: Literal["long", "short"] | None = None
    kind: AlertKind | None = None
    destination: str = Field(default="", max_length=200, pattern=TEXT)


@router.get("/api/mutes")
async def mutes(context: Uses) -> Response:
    """Return the mutes that have not ended."""
    return answer({"items": await people.mutes(context.database, now_ms())})


@router.post("/api/mutes", status_code=201)
async def add(context: Uses, wanted: NewMute) -> Response:
    """Add a mute until a time or for some seconds."""
    if (wanted.until is None) == (wanted.seconds is None):
        raise HTTPException(422, "give either 'until' or 'seconds'")
    until = wanted.until if wanted.until is not None else now_ms() + 1_000 * (wanted.seconds or 0)
    if until <= now_ms():
        raise HTTPException(422, "'until' has passed")
    mute = Mute(
        mute_id=uuid.uuid4().hex[:12],
        until=until,
        symbol=wanted.symbol.upper(),
        side=wanted.side,
        kind=wanted.kind,
        destination=wanted.destination,
    )
    await people.add_mute(context.database, mute)
    context.publisher.wake()
    return answer({name: getattr(mute, name) for name in Mute.__struct_fields__}, 201)


@router.delete("/api/mutes/{mute_id}", status_code=204)
async def remove(context: Uses, mute_id: Annotated[str, Path(max_length=40, pattern=TEXT)]) -> Response:
    """End a mute."""
    if not await people.remove_mute(context.database, mute_id):
        raise HTTPException(404, "no such mute")
    context.publisher.wake()
    return Response(status_code=204)
