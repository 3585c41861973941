"""The HTTP application: routes, the guard before them, and faults as answers."""

from __future__ import annotations

from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from redis.exceptions import RedisError

from services.api.context import Context, answer
from services.api.database import DatabaseAwayError
from services.api.routes import (
    alerts,
    config,
    dead_letters,
    decisions,
    live,
    mutes,
    page,
    price_alerts,
    scans,
    signals,
    status,
)
from services.api.security import Guard
from shared.version import version

log = structlog.get_logger()


def create_app(context: Context, *, key: str = "", hosts: tuple[str, ...] = ()) -> FastAPI:
    """Return the application over *context*; *key* empty: only this machine and its network are trusted."""
    app = FastAPI(
        title="Sevengate",
        version=version(),
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.context = context
    for resource in (
        *(alerts, config, dead_letters, decisions, live, mutes, page, price_alerts, scans, signals, status),
    ):
        app.include_router(resource.router)
    page.mount(app)
    app.add_exception_handler(DatabaseAwayError, _database_away)
    app.add_exception_handler(psycopg.DataError, _not_storable)
    app.add_exception_handler(UnicodeEncodeError, _not_storable)
    app.add_exception_handler(RedisError, _bus_away)
    app.add_exception_handler(OSError, _bus_away)
    app.add_middleware(Guard, key=key, hosts=hosts)
    return app


async def _database_away(_: Request, error: Any) -> Response:
    return answer({"detail": f"the database does not answer: {error}"}, 503)


async def _bus_away(_: Request, error: Any) -> Response:
    log.warning("the bus does not answer", error=str(error))
    return answer({"detail": "the bus does not answer"}, 503)


async def _not_storable(_: Request, error: Any) -> Response:
    """A value that passed validation and that Postgres cannot hold, such as half a surrogate pair."""
    log.info("a value was refused by the database", error=type(error).__name__)
    return answer({"detail": "a value that cannot be stored"}, 422)
