"""The HTTP application: routes, what stands before them, and faults as answers."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from services.api import problems
from services.api.access.security import Guard
from services.api.conditional import Conditional
from services.api.context import Context
from services.api.routes import (
    alerts,
    anomalies,
    coins,
    config,
    dead_letters,
    decisions,
    deliveries,
    destinations,
    events,
    export,
    keys,
    mutes,
    page,
    price_alerts,
    record,
    refresh,
    scans,
    setup,
    signals,
    status,
    what_if,
)
from shared.version import version

RESOURCES = (
    *(coins, signals, scans, anomalies, decisions, alerts, deliveries, destinations, price_alerts, mutes, config),
    *(record, what_if, events, refresh, export, status, dead_letters, keys, setup),
)
COMPRESSED_BYTES = 1_000
COMPRESSION = 4  #: of 9: the board in a third of the time that 9 takes


def create_app(*contexts: Context, hosts: tuple[str, ...] = (), root_path: str = "") -> FastAPI:
    """Return the application over *contexts*, one of each market; a request that names no market means the first.

    *hosts* are the names under which it may be reached without a key, *root_path* the prefix that
    a proxy puts before every address.
    """
    app = FastAPI(
        title="Sevengate",
        version=version(),
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        separate_input_output_schemas=False,
    )
    app.state.contexts = contexts
    for each in RESOURCES:
        app.include_router(each.router)
    page.mount(app)
    app.include_router(page.router)  # last: it takes every address that is left
    problems.add_handlers(app)
    problems.document(app)
    app.add_middleware(Conditional)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_BYTES, compresslevel=COMPRESSION)
    app.add_middleware(Guard, keyring=contexts[0].keyring, hosts=hosts, root_path=root_path)
    return app
