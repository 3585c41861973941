"""/api/dead-letters: messages that nobody could handle, with the error; they can be put back."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import zstandard
from fastapi import APIRouter, HTTPException, Path, Response

from services.api.context import Uses, answer
from services.api.present import as_json
from shared.bus import DeadLetter, from_wire

router = APIRouter(tags=["dead letters"])


@router.get("/api/dead-letters")
async def dead_letters(context: Uses) -> Response:
    """Return all messages that were put aside, oldest first."""
    return answer({"items": [_show(letter) for letter in await context.bus.dead_letters()]})


@router.post("/api/dead-letters/{dead_id}/put-back", status_code=204)
async def put_back(context: Uses, dead_id: Annotated[str, Path(pattern=r"^\d{1,16}-\d{1,9}$")]) -> Response:
    """Give a message to its stream again."""
    if not await context.bus.put_back(dead_id):
        raise HTTPException(404, "no such dead letter")
    return Response(status_code=204)


def _show(letter: DeadLetter) -> dict[str, Any]:
    return {
        "dead_id": letter.dead_id,
        "stream": letter.stream,
        "group": letter.group,
        "entry_id": letter.entry_id,
        "error": letter.error,
        "tries": letter.tries,
        "bytes": len(letter.payload),
        "message": _message(letter.payload),
    }


def _message(payload: bytes) -> Any:
    """Return the message, None where it cannot be read."""
    try:
        message = from_wire(payload)
    except (msgspec.DecodeError, zstandard.ZstdError):
        return None
    return {"type": type(message).__name__, **as_json(message)}
