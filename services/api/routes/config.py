"""/api/config: the settings; secrets go in and never come out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Body, HTTPException, Path, Response
from pydantic import ValidationError

from services.api import overrides, settings_guide
from services.api.access.security import Who
from services.api.context import NOT_FOUND, Context, Cursor, Limit, Uses, answer, now_ms, resource
from services.api.problems import MistakesError
from services.api.routes.symbols import known_symbols, unknown
from services.api.schemas.base import LATEST
from services.api.schemas.settings import Config, ConfigCheck, ConfigHistory, Overrides, Settings
from services.api.settings_publisher import mask_patch, masked, plain, unmasked
from services.api.store import user_settings
from services.api.views.facts import Json
from shared.settings import RuntimeSettings, explain
from shared.symbols import pair_of

router = resource("config")
Patch = Annotated[dict[str, Any], Body(examples=[{"thresholds": {"score": 70}}])]
_changing = asyncio.Lock()  #: one change after another, so that none is lost


@router.get("/api/config", response_model=Config)
async def config(context: Uses) -> Response:
    """Return the settings in force, secrets masked, and their version."""
    return answer(in_force(context))


@router.get("/api/config/schema", response_model=dict[str, Any])
async def schema() -> Response:
    """Return the JSON Schema of the settings."""
    return answer(RuntimeSettings.model_json_schema())


@router.get("/api/config/settings", response_model=Settings)
async def settings() -> Response:
    """Return what every setting is for: a sentence, its default, its unit, its bounds."""
    return answer({"items": settings_guide.guide()})


@router.get("/api/config/changes", response_model=Overrides)
async def changes(context: Uses) -> Response:
    """Return every setting that differs from config.yaml, with both values."""
    changed = await user_settings.changes(context.database)
    file = RuntimeSettings.model_validate(context.publisher.values).dump()
    found = overrides.differences(masked(file), masked(context.publisher.changed_by(changed).dump()))
    return answer({"items": [{"path": path, "file": before, "value": after} for path, before, after in found]})


@router.get("/api/config/history", response_model=ConfigHistory)
async def history(context: Uses, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Return the changes that were made, newest first."""
    page = await user_settings.change_history(context.database, limit, cursor)
    items = [
        {
            "change_id": row["change_id"],
            "at": row["at"],
            "by": row["made_by"],
            "patch": mask_patch(row["patch"]),
            "undone": row["undone_at"] is not None,
        }
        for row in page.rows
    ]
    return answer({"items": items, "next_cursor": page.next_cursor})


@router.post("/api/config/validate", response_model=ConfigCheck)
async def validate(context: Uses, patch: Patch) -> Response:
    """Say what a change would do, without saving it."""
    held = await user_settings.changes(context.database)
    try:
        value = changed(context, held, patch)
    except MistakesError as error:
        return answer({"valid": False, "mistakes": error.errors, "notes": [], "changes": []})
    before = context.publisher.changed_by(held).dump()
    found = overrides.differences(masked(before), masked(value))
    shown = [{"path": path, "before": old, "after": new} for path, old, new in found]
    return answer({"valid": True, "mistakes": [], "notes": notes(context, value), "changes": shown})


@router.patch("/api/config", response_model=Config, responses={202: {"model": Config}})
async def change(context: Uses, who: Who, patch: Patch) -> Response:
    """Change settings by a JSON merge patch: null means "as config.yaml says", lists are replaced.

    A masked secret that is sent back stays unchanged.
    """
    async with _changing:
        value = changed(context, await user_settings.changes(context.database), patch, may_allow=who.is_local)
        await user_settings.save_change(context.database, patch_of(patch), now_ms(), who.name)
        return await _published(context, value)


@router.post("/api/config/history/{change_id}/undo", response_model=Config, responses={202: {"model": Config}})
async def undo(context: Uses, change_id: Annotated[int, Path(ge=0, le=LATEST)]) -> Response:
    """Take one change back; those after it stand."""
    async with _changing:
        held = await user_settings.changes(context.database, without=change_id)
        value = changed(context, held, {})
        if not await user_settings.undo_change(context.database, change_id, now_ms()):
            raise HTTPException(NOT_FOUND, "no such change, or it is undone already")
        return await _published(context, value)


def in_force(context: Context) -> Json:
    """Return the settings as they were published last; raise 503 before."""
    current = context.publisher.current
    if current is None:
        raise HTTPException(503, "no settings have been published yet")
    return {
        "version": current.version,
        "at": current.at,
        "value": masked(current.value),
        "notes": notes(context, current.value),
    }


def patch_of(sent: Json) -> Json:
    """Return *sent* without masked values, and with coins as symbols."""
    patch = unmasked(sent)
    if isinstance(named := patch.get("symbol_thresholds"), dict):
        patch["symbol_thresholds"] = {pair_of(name): change for name, change in named.items()}
    return patch


def changed(context: Context, held: tuple[Json, ...], patch: Json, *, may_allow: bool = False) -> Json:
    """Return the settings that *patch* on top of *held* makes; raise `MistakesError`."""
    try:
        value = context.publisher.changed_by((*held, patch_of(patch))).dump()
    except ValidationError as error:
        raise MistakesError(explain(error)) from error
    refused = [] if may_allow else opened(context.publisher.settings().dump(), value)
    if refused:
        raise MistakesError(
            [f"{', '.join(refused)}: only config.yaml or the command line may open networks to Sevengate"]
        )
    return value


def opened(before: Json, after: Json) -> list[str]:
    """Return the paths at which *after* allows a network that *before* did not."""
    held = dict(overrides.leaves(before))
    return [
        ".".join(path)
        for path, networks in overrides.leaves(after)
        if settings_guide.is_file_only(path) and not set(networks) <= set(held.get(path, ()))
    ]


def notes(context: Context, value: Json) -> list[str]:
    """Return remarks on coins in *value* that are not watched: not listed yet, or mistyped."""
    known = known_symbols(context)
    if not known:
        return []
    named = {
        "universe.include": value["universe"]["include"],
        "symbol_thresholds": value["symbol_thresholds"],
    }
    return [f"{path}: {unknown(name, known)}" for path, names in named.items() for name in names if name not in known]


async def _published(context: Context, value: Json) -> Response:
    await context.publisher.publish()
    current = context.publisher.current
    if current is None or current.value != plain(value):
        at = {"version": current.version if current else 0, "at": now_ms()}
        waits = "saved; the services get it when the bus answers"
        return answer(at | {"value": masked(value), "notes": [waits]}, 202)
    context.broadcast.send("settings", {"version": current.version})
    return answer(in_force(context))
