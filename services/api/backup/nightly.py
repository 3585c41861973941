"""A backup every night, at the time that the settings name; the oldest make room."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from services.api.backup import save
from services.api.backup.archive import BackupError
from services.api.backup.save import Sources
from shared import metrics
from shared.runtime.service import Service

EVERY_S: Final = 30.0
RETRY_S: Final = 600.0
NAME: Final = "nightly-{:%Y-%m-%d}.zip"
PATTERN: Final = "nightly-????-??-??.zip"

log = structlog.get_logger()


def due(at: str, now: datetime, newest: str) -> str:
    """Return the name of the backup that is due at *now*, local time; empty when none is.

    *newest* is the name of the last one.  An API that was down at the minute makes it when it is back.
    """
    if not at:
        return ""
    hour, minute = (int(part) for part in at.split(":"))
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    name = NAME.format(moment if moment <= now else moment - timedelta(days=1))
    return name if name > newest else ""


def superfluous(names: Sequence[str], keep: int) -> list[str]:
    """Return the nightly backups beyond the newest *keep*."""
    return sorted(names, reverse=True)[keep:]


async def keep_backups(service: Service) -> None:
    """Make them until the service stops; one that fails is tried again, and the older ones stay."""
    environment = service.environment
    url = environment.database_url.get_secret_value()
    while not service.stopping.is_set():
        wanted = service.settings.settings.backup
        now = datetime.now(ZoneInfo(service.settings.settings.presentation.timezone))
        sources = Sources(url, environment.config, environment.data_dir, decisions=wanted.decisions)
        pause = EVERY_S
        try:
            await asyncio.to_thread(make_if_due, sources, environment.backups, wanted.at, now, wanted.keep)
        except (BackupError, OSError) as error:
            log.error("no backup could be made", reason=str(error))
            pause = RETRY_S
        await service.pause(pause)


def make_if_due(sources: Sources, folder: Path, at: str, now: datetime, keep: int) -> Path | None:
    """Make the backup that is due at *now*, then drop those beyond *keep*; return it, None where none was due."""
    names = [path.name for path in folder.glob(PATTERN)]
    newest = max(names, default="")
    metrics.LAST_BACKUP.set((folder / newest).stat().st_mtime if at and newest else 0)
    name = due(at, now, newest)
    if not name:
        return None
    manifest = save.to_file(sources, folder / name)
    metrics.LAST_BACKUP.set(manifest.made_at / 1_000)
    log.info("backup made", file=str(folder / name), rows=sum(table.rows for table in manifest.tables))
    for old in superfluous([*names, name], keep):
        (folder / old).unlink(missing_ok=True)
    return folder / name
