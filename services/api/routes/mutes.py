"""/api/mutes: alerts that are not sent, where, and until when."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import HTTPException, Path, Response

from services.api.context import NOT_FOUND, Uses, answer, new_id, now_ms, resource
from services.api.problems import MistakesError
from services.api.routes.destinations import destinations_of, known_destination
from services.api.routes.symbols import watched
from services.api.schemas.base import TEXT
from services.api.schemas.settings import Mutes, MuteShown, NewMute
from services.api.store import user_settings
from shared.contracts import Mute

router = resource("mutes")


@router.get("/api/mutes", response_model=Mutes)
async def mutes(context: Uses) -> Response:
    """Return the mutes that have not ended."""
    return answer({"items": await user_settings.mutes(context.database, now_ms())})


@router.post("/api/mutes", status_code=201, response_model=MuteShown)
async def add(context: Uses, wanted: NewMute) -> Response:
    """Add a mute until a time or for some seconds."""
    if wanted.destination and wanted.destination not in destinations_of(context):
        raise MistakesError([f"destination: {known_destination(context, wanted.destination)}"])
    values = wanted.model_dump(include={"side", "kind", "destination"})
    symbol = watched(context, wanted.symbol) if wanted.symbol else ""
    mute = Mute(mute_id=new_id(), until=end_of(wanted, now_ms()), symbol=symbol, **values)
    await user_settings.add_mute(context.database, mute)
    context.publisher.wake()
    return answer(msgspec.structs.asdict(mute), 201)


@router.delete("/api/mutes/{mute_id}", status_code=204)
async def remove(context: Uses, mute_id: Annotated[str, Path(max_length=40, pattern=TEXT)]) -> Response:
    """End a mute."""
    if not await user_settings.remove_mute(context.database, mute_id):
        raise HTTPException(NOT_FOUND, "no such mute")
    context.publisher.wake()
    return Response(status_code=204)


def end_of(wanted: NewMute, now: int) -> int:
    """Return when *wanted* ends, wall clock in ms; raise `MistakesError` where it has ended before *now*."""
    if (wanted.until is None) == (wanted.seconds is None):
        raise MistakesError(["give either 'until' or 'seconds'"])
    until = wanted.until if wanted.until is not None else now + 1_000 * (wanted.seconds or 0)
    if until <= now:
        raise MistakesError(["until: this time has passed"])
    return until
