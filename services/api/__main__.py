"""Runs the API: the recorder, the publisher, the live board and the HTTP server in one process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import structlog
import uvicorn

from services.api import queries
from services.api.app import create_app
from services.api.board import Board, Broadcast, follow
from services.api.context import Context
from services.api.database import Database, DatabaseAwayError
from services.api.publication import Publisher
from services.api.recorder import Recorder, keep_house
from shared import config_file
from shared.service import Service, run
from shared.settings import Environment

MIGRATION_PATIENCE_S = 5.0  #: how long people's settings are waited for before config.yaml alone is published

log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn that leaves the signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def assemble(service: Service, values: dict[str, Any]) -> Context:
    """Return everything wired together; *values* are those of config.yaml."""
    database = Database(service.environment.database_url.get_secret_value())
    wanted = asyncio.Event()
    recorder = Recorder(service, service.bus, database, fired=wanted)
    publisher = Publisher(service, service.bus, database, values, storing=recorder.storing, wanted=wanted)
    return Context(service, service.bus, database, Board(), Broadcast(), recorder, publisher)


async def serve(service: Service, values: dict[str, Any]) -> None:
    """Run until the service stops."""
    context = assemble(service, values)
    migrated = asyncio.ensure_future(_migrate(context))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MIGRATION_PATIENCE_S):
            await asyncio.shield(migrated)
    work = (
        context.recorder.run(),
        context.publisher.run(),
        follow(service, service.bus, context.board, context.broadcast),
        keep_house(service, service.bus, context.database),
        _listen(context),
    )
    tasks = [migrated, *(asyncio.ensure_future(each) for each in work)]
    try:
        await asyncio.gather(*tasks)
    finally:
        service.stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await context.database.close()


async def _migrate(context: Context) -> None:
    """Try until the database is there and up to date, then fill the board from it."""
    while not context.service.stopping.is_set():
        if await context.database.start():
            context.publisher.wake()
            await _fill(context)
            return
        log.warning("the database is not ready", reason=context.database.reason)
        await context.service.pause(1.0)


async def _fill(context: Context) -> None:
    """Show what was known before this process started; what the bus has told already is newer."""
    board = context.board
    try:
        newest = await queries.scans(context.database, queries.Filter(), 20, 0)
        since = max((scan["scan_id"] for scan in newest), default=0) - 3_600_000
        for decision in await queries.newest_decisions(context.database, since):
            board.take(decision)
        for signal in reversed(await queries.signals(context.database, queries.Filter(), 100, 0)):
            board.signals.setdefault(signal["signal_id"], signal)
        for scan in newest:
            board.scans.setdefault(scan["scan_id"], scan | {"not_opened": len(scan["not_opened"])})
    except DatabaseAwayError as error:
        log.warning("the page begins empty", reason=str(error))


async def _listen(context: Context) -> None:
    environment = context.service.environment
    key = environment.api_key.get_secret_value()
    if key and len(key) < 22:
        log.warning("the API key is short: 128 random bits are at least 22 characters")
    if not key and environment.api_host not in ("127.0.0.1", "::1", "localhost"):
        log.warning("no API key is set: whoever reaches this address can read and change everything")
    hosts = tuple(filter(None, environment.api_hosts.replace(" ", "").split(",")))
    config = uvicorn.Config(
        create_app(context, key=key, hosts=hosts),
        host=environment.api_host,
        port=environment.api_port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    server = Server(config)
    stopping = asyncio.ensure_future(context.service.stopping.wait())
    stopping.add_done_callback(lambda _: setattr(server, "should_exit", True))
    try:
        await server.serve()
    finally:
        stopping.cancel()
        context.service.stopping.set()


def main() -> int:
    """Run the service; return 2 where the configuration cannot be used."""
    try:
        values = config_file.load(Environment().config)
    except config_file.ConfigError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return 2
    run("api", lambda service: serve(service, values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
