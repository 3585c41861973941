"""Publishes once a day what past signals say about the next ones, and again when the bus lost it."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from redis.exceptions import RedisError

from services.api.store import outcomes
from services.api.store.database import Database, DatabaseAwayError
from shared.bus import Bus
from shared.contracts import DAY_MS, Outcome, RecordChanged
from shared.odds import SPAN_DAYS
from shared.runtime.service import Service

EVERY_S: Final = 5.0

log = structlog.get_logger()


async def keep_record(service: Service, bus: Bus, database: Database) -> None:
    """Look every few seconds until the service stops."""
    publisher = RecordPublisher(bus, database)
    while not service.stopping.is_set():
        try:
            if database.ready:
                await publisher.publish()
        except (RedisError, OSError, DatabaseAwayError) as error:
            log.debug("the record cannot be published", error=str(error))
        await service.pause(EVERY_S)


class RecordPublisher:
    """The only writer of `RecordChanged`."""

    def __init__(self, bus: Bus, database: Database) -> None:
        self.bus = bus
        self.database = database
        self._made: dict[int, RecordChanged] = {}  #: by day, those that were computed last

    async def publish(self) -> None:
        """Put the newest day's record on the bus where it is not there; a record that says nothing stays away.

        The day is that of the newest outcome: outcomes come in the order of their scans, so all earlier ones are known.
        A bus that lost it in the day's first hour, when it does not count yet, gets the one before it as well.
        """
        newest = await outcomes.newest(self.database)
        day = newest // DAY_MS * DAY_MS
        held = await self.bus.newest_setting(RecordChanged)
        if day <= (held.version if held else 0):
            return
        made = await self._record(day)
        if held is None and newest < made.since:
            await self._put(await self._record(day - DAY_MS), is_first=True)
        await self._put(made, is_first=held is None)

    async def _put(self, made: RecordChanged, *, is_first: bool) -> None:
        if is_first and not (made.comparable or made.aftermath) and made.forecast.version == "plain":
            return
        await self.bus.publish_settings(made)
        log.info(
            "record published", version=made.version, forecast=made.forecast.version, comparable=len(made.comparable)
        )

    async def _record(self, day: int) -> RecordChanged:
        if day not in self._made:
            signals = await outcomes.to_publish(self.database, day - SPAN_DAYS * DAY_MS, day)
            self._made[day] = await asyncio.to_thread(_compute, signals, day)
            self._made = {kept: self._made[kept] for kept in sorted(self._made)[-2:]}
        return self._made[day]


def _compute(signals: list[Outcome], day: int) -> RecordChanged:
    from services.evaluator.domain.publication import published  # noqa: PLC0415 scipy is large: loaded when needed

    return published(signals, day)
