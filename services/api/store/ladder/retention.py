"""How long things stay: streams until they were read, decisions whole, then narrow, then as files or not at all."""

from __future__ import annotations

import time
from typing import Final

import psycopg
import structlog
from redis.exceptions import RedisError

from services.api.store.archive import months
from services.api.store.archive.keeping import archived_since
from services.api.store.database import Database, DatabaseAwayError, month_of, to_ms
from services.api.store.ladder import older, whole
from shared.bus import Bus
from shared.contracts import DAY_MS, Stream
from shared.runtime.service import Service
from shared.settings import RecordingSettings

EVERY_S: Final = 600.0
AWAY: Final = (RedisError, OSError, DatabaseAwayError, psycopg.Error)

log = structlog.get_logger()


async def keep_retention(service: Service, bus: Bus, database: Database) -> None:
    """Trim what all groups have read; make partitions ahead and drop what is past retention, until stopped."""
    next_retention = 0.0
    while not service.stopping.is_set():
        try:
            # the notifier may not have started yet: its group keeps the alerts for it
            await bus.ensure_group(Stream.ALERTS, "notifier")
            for stream in (Stream.ALERTS, Stream.DELIVERIES, Stream.OUTCOMES):
                await bus.trim_read(stream)
            if database.ready and time.monotonic() >= next_retention:
                await retain(database, service.settings.settings.recording)
                next_retention = time.monotonic() + EVERY_S
        except AWAY as error:
            log.warning("housekeeping has to wait", error=str(error))
        await service.pause(5.0)


async def keep_narrow(service: Service, database: Database) -> None:
    """Make narrow what an earlier version kept whole, and give the room back; ends where nothing is left to do."""
    while not service.stopping.is_set():
        try:
            if database.ready:
                newest = await database.newest_scan() or 0
                hours = service.settings.settings.recording.whole_hours
                await older.make_narrow(database, newest, hours, lambda: not service.stopping.is_set())
                for name in await older.give_room_back(database):
                    log.info("a month was rewritten, and its room given back", table=name)
                return
        except AWAY as error:
            log.warning("making decisions narrow has to wait", error=str(error))
        await service.pause(5.0)


async def retain(database: Database, wanted: RecordingSettings) -> list[str]:
    """Make the next month's partition and drop what is older than *wanted* says, by the newest scan."""
    newest = await database.newest_scan()
    if newest is None:
        return []
    ahead = (newest, newest + 31 * DAY_MS)
    async with database.connection() as connection:
        await database.ensure_partitions(connection, ahead)
    database.partitions_exist(ahead)
    await whole.drop_whole(database, newest, wanted.whole_hours)
    oldest = newest - wanted.retention_days * DAY_MS
    scans = await _first_scan(database, wanted, newest)
    dropped = await database.drop_before(oldest, scans=scans, decisions=not wanted.archive)
    if dropped:
        log.info("old partitions dropped", partitions=dropped)
    return dropped


async def _first_scan(database: Database, wanted: RecordingSettings, newest: int) -> int:
    """Return from where scans stay: as long as decisions about them do."""
    if wanted.archive:
        return to_ms(month_of(archived_since(wanted, newest)))
    archived = [month.first_scan for month in await months.held(database)]
    return min([newest - wanted.retention_days * DAY_MS, *archived])
