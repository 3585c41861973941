"""/api/config: the runtime settings; secrets go in and never come out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Response
from pydantic import ValidationError

from services.api import people
from services.api.context import Uses, answer, now_ms
from services.api.publication import masked, plain, unmasked
from shared.settings import RuntimeSettings, explain

router = APIRouter(tags=["config"])
_changing = asyncio.Lock()  #: one change after another, so that none is lost


@router.get("/api/config")
async def config(context: Uses) -> Response:
    """Return the settings in force, secrets masked, and their version."""
    current = context.publisher.current
    if current is None:
        raise HTTPException(503, "no settings have been published yet")
    return answer({"version": current.version, "at": current.at, "value": masked(current.value)})


@router.get("/api/config/schema")
async def schema() -> Response:
    """Return the JSON Schema of the settings."""
    return answer(RuntimeSettings.model_json_schema())


@router.patch("/api/config")
async def change(context: Uses, patch: Annotated[dict[str, Any], Body()]) -> Response:
    """Change settings by a JSON merge patch: null goes back to the default, lists are replaced.

    A secret sent back masked stays as it is.
    """
    async with _changing:
        wanted = unmasked(patch)
        try:
            value = context.publisher.changed_by((*await people.changes(context.database), wanted)).dump()
        except ValidationError as error:
            raise HTTPException(422, explain(error)) from error
        await people.save_change(context.database, wanted, now_ms())
        await context.publisher.publish()
    current = context.publisher.current
    if current is None or current.value != plain(value):
        return answer({"detail": "stored; it is published when the bus answers"}, 202)
    return answer({"version": current.version, "at": current.at, "value": masked(current.value)})
