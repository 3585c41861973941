"""/api/keys and /api/session: credentials."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import HTTPException, Path, Request, Response

from services.api.access.security import SESSION_COOKIE, SESSION_DAYS, Who
from services.api.context import NOT_FOUND, Uses, answer, now_ms, resource
from services.api.problems import MistakesError
from services.api.schemas.base import TEXT
from services.api.schemas.settings import KeyMade, Keys, NewKey, NewSession, SessionShown
from services.api.store import keys as stored
from services.api.store.keys import NameTakenError

router = resource("keys")


@router.get("/api/keys", response_model=Keys)
async def keys(context: Uses) -> Response:
    """Return all keys, without their secrets."""
    return answer({"items": [_show(key) for key in await stored.load(context.database)]})


@router.post("/api/keys", status_code=201, response_model=KeyMade)
async def make(context: Uses, wanted: NewKey) -> Response:
    """Make a key; its secret is shown in this answer and never again."""
    secret, key = stored.new(wanted.name, wanted.rights, now_ms())
    try:
        await stored.save(context.database, key)
    except NameTakenError as error:
        raise MistakesError([f"name: a key is called {wanted.name!r} already"]) from error
    await context.keyring.load(context.database)
    return answer(_show(key) | {"key": secret}, 201)


@router.delete("/api/keys/{key_id}", status_code=204)
async def revoke(context: Uses, key_id: Annotated[str, Path(max_length=40, pattern=TEXT)]) -> Response:
    """Revoke a key; requests with it are refused from now on."""
    if not await stored.revoke(context.database, key_id, now_ms()):
        raise HTTPException(NOT_FOUND, "no such key")
    await context.keyring.load(context.database)
    return Response(status_code=204)


@router.get("/api/session", response_model=SessionShown)
async def session(who: Who) -> Response:
    """Return who asks, and what they may do."""
    return answer({"name": who.name, "rights": who.rights})


@router.post("/api/session", status_code=201, response_model=SessionShown)
async def begin(context: Uses, request: Request, wanted: NewSession) -> Response:
    """Begin a session with the set-up token; the browser keeps it in a cookie that scripts cannot read."""
    begun = context.keyring.begin_session(wanted.token, now_ms())
    if begun is None:
        raise HTTPException(401, "this is not the set-up token: it stands in the file api-token of the data folder")
    shown = answer({"name": "session", "rights": "write"}, 201)
    # the browser's own word: a proxy that has the TLS speaks http with us
    secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    shown.set_cookie(
        SESSION_COOKIE, begun, max_age=SESSION_DAYS * 86_400, httponly=True, samesite="strict", secure=secure
    )
    return shown


@router.delete("/api/session", status_code=204)
async def end() -> Response:
    """End this browser's session."""
    ended = Response(status_code=204)
    ended.delete_cookie(SESSION_COOKIE)
    return ended


def _show(key: stored.Key) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(key).items() if name != "digest"}
