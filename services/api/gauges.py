"""Metrics that have to be polled: sizes of the stores and the disk, dead letters."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from redis.exceptions import RedisError

from services.api.store import sizes
from services.api.store.archive import keeping
from services.api.store.database import Database, DatabaseAwayError
from shared import metrics
from shared.bus import Bus, RedisBus
from shared.runtime.service import Service

EVERY_S: Final = 15.0

log = structlog.get_logger()


class Disk(NamedTuple):
    """The space of a file system, bytes."""

    total: int
    free: int


async def keep_gauges(service: Service, buses: Sequence[Bus], database: Database) -> None:
    """Measure until the service stops; a store that does not answer keeps its last value."""
    folder = service.environment.data_dir
    while not service.stopping.is_set():
        disk_free = measure_disk(folder)
        try:
            taken = {
                "bus_bytes": await measure_buses(buses),
                "database_bytes": await measure_database(database),
                "archive_bytes": await measure_archive(database),
                "disk_free": disk_free,
            }
            await sizes.sample(database, taken, time.time_ns() // 1_000_000)
        except (RedisError, OSError, DatabaseAwayError) as error:
            log.debug("a store could not be measured", error=str(error))
        await service.pause(EVERY_S)


def measure_disk(folder: Path) -> int:
    """Set the free and the whole space of the file system that holds *folder*; return the free."""
    usage = disk_of(folder)
    metrics.DISK_FREE.set(usage.free)
    metrics.DISK_TOTAL.set(usage.total)
    return usage.free


def disk_of(folder: Path) -> Disk:
    """Return the space of the file system that holds *folder*, or its nearest parent that exists."""
    held = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    total, _, free = shutil.disk_usage(held)
    return Disk(total, free)


async def memory_of(bus: Bus) -> int:
    """Return the memory of the store behind *bus*, bytes; 0 where there is none."""
    return await bus.memory_bytes() if isinstance(bus, RedisBus) else 0


async def measure_buses(buses: Sequence[Bus]) -> int:
    """Set the memory of the servers of *buses*, and how many dead letters wait on them; return the memory."""
    servers = {await bus.server_id(): bus for bus in buses if isinstance(bus, RedisBus)}
    held = sum([await bus.memory_bytes() for bus in servers.values()])
    metrics.BUS_BYTES.set(held)
    metrics.DEAD_LETTERS.set(sum([len(await bus.dead_letters()) for bus in buses]))
    return held


async def measure_database(database: Database) -> int:
    """Set the size of the database, and return it."""
    held = await sizes.now(database)
    metrics.DATABASE_BYTES.set(held)
    return held


async def measure_archive(database: Database) -> int:
    """Set the size of the archive's files, and return it."""
    held = await keeping.bytes_of(database)
    metrics.ARCHIVE_BYTES.set(held)
    return held
