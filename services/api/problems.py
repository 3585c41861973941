"""Errors as answers: application/problem+json (RFC 9457), one sentence that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import psycopg
import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException as StarletteHTTPException

from services.api.live.broadcast import TooManyListenersError
from services.api.schemas.status import Problem
from services.api.store.archive.months import ArchiveUnreadableError
from services.api.store.database import DatabaseAwayError
from services.api.store.pages import CursorError
from shared.config.mistakes import sentence

MEDIA_TYPE: Final = "application/problem+json"
PLACES: Final = ("body", "query", "path", "header")
#: the errors that every operation may answer
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "Refused", "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}},
    "503": {
        "description": "The database or the bus does not answer",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}

log = structlog.get_logger()


class MistakesError(Exception):
    """The request's values are invalid; *errors* has one line for each mistake."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(*errors[:1])
        self.errors = list(errors)


class StrictRequest(Request):
    """A request whose JSON body is JSON: NaN and Infinity are mistakes."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = msgspec.json.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise json.JSONDecodeError(str(error), body.decode("utf-8", "replace"), 0) from error
        return self._json


class StrictRoute(APIRoute):
    """A route that takes strict JSON, and no parameter that it does not know."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = self.parameters

        async def strictly(request: Request) -> Response:
            unknown = sorted(set(request.query_params) - known)
            if unknown:
                names = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
                raise MistakesError([f"unknown parameter {name!r}: {names}" for name in unknown])
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the query parameters that this route takes."""
        found, waiting = set(), [self.dependant]
        while waiting:
            dependant = waiting.pop()
            found |= {field.alias for field in dependant.query_params}
            waiting += dependant.dependencies
        return frozenset(found)


def problem(
    status: int, detail: str, *, errors: Sequence[str] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer of an error."""
    return Response(encode(status, detail, errors), status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def encode(status: int, detail: str, errors: Sequence[str] = ()) -> bytes:
    """Return the body of an error."""
    value = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return msgspec.json.encode(value | {"errors": list(errors)})


def add_handlers(app: FastAPI) -> None:
    """Answer every known kind of fault as a problem."""
    handlers: dict[type[Exception], Any] = {
        StarletteHTTPException: _refused,
        RequestValidationError: _not_valid,
        MistakesError: _mistaken,
        CursorError: _no_cursor,
        DatabaseAwayError: _database_away,
        ArchiveUnreadableError: _archive_unreadable,
        TooManyListenersError: _too_many_listeners,
        psycopg.DataError: _not_storable,
        UnicodeEncodeError: _not_storable,
        RedisError: _bus_away,
        OSError: _bus_away,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def document(app: FastAPI) -> None:
    """Describe the model of a refusal in the OpenAPI document, and that events are no mere text."""
    make = app.openapi

    def with_problem() -> dict[str, Any]:
        schema = make()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema(ref_template="#/components/schemas/{model}"))
        heard = schema["paths"]["/api/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
        heard["schema"].pop("type", None)
        return schema

    app.openapi = with_problem  # type: ignore[method-assign]


async def _refused(_: Request, error: HTTPException) -> Response:
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _not_valid(_: Request, error: RequestValidationError) -> Response:
    errors = [_line(item) for item in error.errors()]
    return problem(422, errors[0] if len(errors) == 1 else f"{len(errors)} mistakes: {errors[0]}; …", errors=errors)


def _line(item: Mapping[str, Any]) -> str:
    """Return one mistake: where it is, and what is wrong."""
    place = ".".join(str(part) for part in item["loc"] if part not in PLACES)
    message = "there is no such field" if item["type"] == "extra_forbidden" else sentence(item)
    if item["type"] == "json_invalid":
        return f"the body is not JSON: {item.get('ctx', {}).get('error', message)}"
    return f"{place}: {message}" if place else message


async def _mistaken(_: Request, error: MistakesError) -> Response:
    return problem(422, error.errors[0], errors=error.errors)


async def _no_cursor(_: Request, error: CursorError) -> Response:
    return problem(422, str(error), errors=[f"cursor: {error}"])


async def _database_away(_: Request, error: Any) -> Response:
    return problem(503, f"the database does not answer: {error}", headers={"Retry-After": "5"})


async def _archive_unreadable(_: Request, error: Any) -> Response:
    return problem(503, str(error))


async def _too_many_listeners(_: Request, error: Any) -> Response:
    return problem(503, "too many pages listen already: close some", headers={"Retry-After": "30"})


async def _bus_away(_: Request, error: Any) -> Response:
    log.warning("the bus does not answer", error=str(error))
    return problem(503, "the bus does not answer", headers={"Retry-After": "5"})


async def _not_storable(_: Request, error: Any) -> Response:
    """A value that passed validation and that Postgres cannot hold, such as half a surrogate pair."""
    log.info("a value was refused by the database", error=type(error).__name__)
    return problem(422, "a value that cannot be stored")
