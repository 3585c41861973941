"""The record as the page gets it: computed once for each span, and again when another outcome has ended.

The answer about the usual span outlives the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

import msgspec

from services.api.record import kept_records
from services.api.record.kept_records import KeptRecord
from services.api.store import outcomes
from services.api.store.database import Database, DatabaseAwayError
from services.api.views.facts import Json, as_json
from shared.contracts import DAY_MS, Outcome
from shared.runtime.service import Service

USUAL_DAYS: Final = 90
EVERY_S: Final = 1.0  #: between two looks whether the database is there
AT_ONCE_S: Final = 0.25  #: a record that took no longer is computed while the caller waits


class ServedRecord:
    """The answers of each span.

    A long record is not waited for twice: while it is computed anew, the last one is served; `as_of` is its age.
    """

    def __init__(self, at_once: float = AT_ONCE_S) -> None:
        self._at_once = at_once
        self._held: dict[int, KeptRecord] = {}
        self._making: dict[int, asyncio.Task[KeptRecord]] = {}

    async def get(self, database: Database, days: int) -> bytes:
        """Return the record, as JSON, of the last *days* days before the newest outcome."""
        mark = await outcomes.mark(database)
        held = self._held.get(days) or await self._recall(database, days)
        if held is not None and held.mark == mark:
            return held.answer
        making = self._making.get(days)
        if making is None:
            making = self._making[days] = asyncio.ensure_future(self._make(database, days, mark))
            making.add_done_callback(lambda _: self._making.pop(days, None))
        if held is not None and held.seconds > self._at_once:
            return held.answer
        return (await asyncio.shield(making)).answer

    async def settle(self) -> None:
        """Wait for what is being computed."""
        await asyncio.gather(*self._making.values())

    async def _make(self, database: Database, days: int, mark: tuple[int, int]) -> KeptRecord:
        began = time.perf_counter()
        found = await outcomes.ended(database, mark[1] - days * DAY_MS)
        answer = await asyncio.to_thread(_presented, found, days, mark[1])
        made = self._held[days] = KeptRecord(answer, mark, time.perf_counter() - began)
        if days == USUAL_DAYS:
            with contextlib.suppress(DatabaseAwayError):  # then the next process computes it
                await kept_records.write(database, days, made)
        return made

    async def _recall(self, database: Database, days: int) -> KeptRecord | None:
        kept = await kept_records.read(database, days) if days == USUAL_DAYS else None
        if kept is not None:
            self._held.setdefault(days, kept)
        return self._held.get(days)


async def prepare_record(service: Service, database: Database) -> None:
    """Compute the record of the usual span once it can be read: of outcomes of which no earlier process left one."""
    while not service.stopping.is_set():
        with contextlib.suppress(DatabaseAwayError):
            if database.ready:
                ended, _ = await outcomes.mark(database)
                if ended and await kept_records.read(database, USUAL_DAYS) is None:
                    await ServedRecord().get(database, USUAL_DAYS)
                return
        await service.pause(EVERY_S)


def _presented(found: list[Outcome], days: int, as_of: int) -> bytes:
    # scipy is large: it is loaded when somebody first asks for the record
    from services.evaluator.domain.publication import calibration_of  # noqa: PLC0415
    from services.evaluator.domain.record import record  # noqa: PLC0415

    believed = calibration_of([one for one in found if one.kind == "signal"])
    made = record(found)
    shown: Json = msgspec.to_builtins(made) | {
        "anomalies": as_json(made.anomalies),  # facts would be arrays, as on the wire
        "calibration": msgspec.to_builtins(believed),
        "days": days,
        "as_of": as_of,
    }
    return msgspec.json.encode(shown)
