"""/api/dead-letters: messages that no handler could process, with the error; they can be put back."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import zstandard
from fastapi import HTTPException, Path, Response

from services.api.context import NOT_FOUND, Uses, answer, resource
from services.api.schemas.status import DeadLetters
from services.api.views.facts import Json, as_json
from shared.bus import DeadLetter, from_wire

router = resource("dead letters")
SHOWN = ("dead_id", "stream", "group", "entry_id", "error", "tries")


@router.get("/api/dead-letters", response_model=DeadLetters)
async def dead_letters(context: Uses) -> Response:
    """Return all dead letters, oldest first."""
    return answer({"items": [_show(letter) for letter in await context.bus.dead_letters()]})


@router.post("/api/dead-letters/{dead_id}/put-back", status_code=204)
async def put_back(context: Uses, dead_id: Annotated[str, Path(pattern=r"^\d{1,16}-\d{1,9}$")]) -> Response:
    """Put a message back on its stream."""
    if not await context.bus.put_back(dead_id):
        raise HTTPException(NOT_FOUND, "no such dead letter")
    return Response(status_code=204)


def _show(letter: DeadLetter) -> Json:
    shown = {name: getattr(letter, name) for name in SHOWN}
    return shown | {"bytes": len(letter.payload), "message": _message(letter.payload)}


def _message(payload: bytes) -> Any:
    """Return the message, None where it cannot be read."""
    try:
        message = from_wire(payload)
    except (msgspec.DecodeError, zstandard.ZstdError):
        return None
    return {"type": type(message).__name__, **as_json(message)}
