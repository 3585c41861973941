"""Runs the API: the recorder, the publisher, the live board and the HTTP server in one process."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import Coroutine, Iterable
from typing import Any, Final

import structlog

from services.api.access.keyring import Keyring, keep_keys
from services.api.backup.nightly import keep_backups
from services.api.context import Context
from services.api.gauges import keep_gauges
from services.api.live.board import Board
from services.api.live.broadcast import Broadcast
from services.api.live.follow import follow
from services.api.live.spans import spans_of
from services.api.live.sse import keep_beating
from services.api.record.publisher import keep_record
from services.api.record.served import prepare_record
from services.api.recorder import Recorder
from services.api.server import listen
from services.api.settings_publisher import SettingsPublisher
from services.api.store import queries
from services.api.store.archive.keeping import keep_archive
from services.api.store.database import Database, DatabaseAwayError
from services.api.store.ladder.retention import keep_narrow, keep_retention
from services.api.store.ownership import UnusableDatabaseError
from services.api.store.pages import Filter
from shared.bus import RedisBus
from shared.config import config_file, local_secrets, sealing
from shared.config.environment import Environment
from shared.contracts import HOUR_MS
from shared.runtime.process import run
from shared.runtime.service import Service

MIGRATION_PATIENCE_S = 5.0  #: how long Postgres' overrides are waited for before config.yaml alone is published
SHORTEST_PAUSE_S: Final = 0.125  #: between two tries to reach Postgres; doubled each time
LONGEST_PAUSE_S: Final = 1.0

log = structlog.get_logger()


def assemble_all(service: Service, values: dict[str, Any]) -> tuple[Context, ...]:
    """Return what there is of each market that is served; the keys to them are the same."""
    first = assemble(service, values)
    environment = service.environment
    others = [
        service.part(market, RedisBus(environment.of_market(market).redis_url, market))
        for market in environment.served_markets[1:]
    ]
    return first, *(assemble(other, values, first.keyring) for other in others)


def assemble(service: Service, values: dict[str, Any], keyring: Keyring | None = None) -> Context:
    """Return everything of one market wired together; *values* are those of config.yaml."""
    environment = service.environment
    database = Database(
        environment.database_url.get_secret_value(),
        environment.market,
        source=environment.source,
        folder=environment.data_dir,
        archive=environment.archive,
    )
    wanted = asyncio.Event()
    recorder = Recorder(service, service.bus, database, fired=wanted, spans=spans_of(environment.market))
    publisher = SettingsPublisher(
        *(service, service.bus, database, values),
        storing=recorder.storing,
        wanted=wanted,
        restore=recorder.restore,
    )
    keyring = keyring or Keyring(key=environment.api_key.get_secret_value(), token=own_secrets(environment))
    return Context(service, service.bus, database, Board(), Broadcast(), recorder, publisher, keyring)


def own_secrets(environment: Environment) -> str:
    """Make the installation's own secrets where they are missing; return the set-up token."""
    folder = environment.data_dir
    token, is_new = local_secrets.read_or_make(folder, local_secrets.TOKEN, lambda: secrets.token_urlsafe(32))
    if is_new:
        path = str(folder / local_secrets.TOKEN)
        log.info("set-up token made: it opens this installation's API", token=token, file=path)
    if not environment.settings_key.get_secret_value():
        local_secrets.read_or_make(folder, local_secrets.SETTINGS_KEY, sealing.new_key)
    return token


async def serve(service: Service, values: dict[str, Any]) -> None:
    """Run until the service stops."""
    contexts = assemble_all(service, values)
    migrated = asyncio.ensure_future(_migrate_all(contexts))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MIGRATION_PATIENCE_S):
            await asyncio.shield(migrated)
    first = contexts[0]
    work = (
        *(each for context in contexts for each in _work(context)),
        keep_keys(service, first.keyring, first.database),
        keep_gauges(service, [context.bus for context in contexts], first.database),
        keep_backups(service),
        listen(*contexts),
    )
    tasks = [migrated, *(asyncio.ensure_future(each) for each in work)]
    try:
        await asyncio.gather(*tasks)
    finally:
        service.stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for context in contexts:
            await context.database.close()
        for other in contexts[1:]:
            await other.bus.close()


def _work(context: Context) -> Iterable[Coroutine[Any, Any, None]]:
    """Return what is done for one market."""
    service, bus = context.service, context.bus
    return (
        context.recorder.run(),
        context.publisher.run(),
        follow(service, bus, context.board, context.broadcast),
        keep_beating(service, context.board, context.broadcast),
        keep_retention(service, bus, context.database),
        _age(service, context.database),
        keep_record(service, bus, context.database),
        prepare_record(service, context.database),
    )


async def _age(service: Service, database: Database) -> None:
    """Make old decisions narrow first: the archive takes them as they are."""
    await keep_narrow(service, database)
    await keep_archive(service, database)


async def _migrate_all(contexts: Iterable[Context]) -> None:
    await asyncio.gather(*(_migrate(context) for context in contexts))


async def _migrate(context: Context) -> None:
    """Try until the database is there and up to date, then fill the board from it."""
    pause = SHORTEST_PAUSE_S
    while not context.service.stopping.is_set():
        if await context.database.start():
            context.publisher.wake()
            await _fill(context)
            return
        if pause == LONGEST_PAUSE_S:  # it may be starting beside this process
            log.warning("the database is not ready", reason=context.database.reason)
        await context.service.pause(pause)
        pause = min(LONGEST_PAUSE_S, pause * 2)


async def _fill(context: Context) -> None:
    """Fill the board from Postgres; messages that have come from the bus meanwhile are newer."""
    board = context.board
    try:
        newest = (await queries.scans(context.database, Filter(), 20)).rows
        since = max((scan["scan_id"] for scan in newest), default=0) - HOUR_MS
        for decision in await queries.newest_decisions(context.database, since):
            board.take(decision)
        for signal in reversed((await queries.signals(context.database, Filter(), 100)).rows):
            board.signals.setdefault(signal["signal_id"], signal)
        for scan in newest:
            board.scans.setdefault(scan["scan_id"], scan)
    except DatabaseAwayError as error:
        log.warning("the page begins empty", reason=str(error))


def main() -> int:
    """Run the service; return 2 where the configuration cannot be used."""
    try:
        values = config_file.load(Environment().config)
        run("api", lambda service: serve(service, values))
    except config_file.ConfigError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return 2
    except UnusableDatabaseError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
