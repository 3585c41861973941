"""Records the streams in Postgres; messages are acknowledged after the database's commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import structlog
from redis.exceptions import RedisError

from services.api.live.spans import AlertSpans
from services.api.store import inserts as rows
from services.api.store import outcomes
from services.api.store.database import Connection, Database, DatabaseAwayError
from services.api.store.ladder import narrow
from services.api.store.recovery import marks
from shared import metrics
from shared.bus import Bus, Commit, Delivery, Token
from shared.bus.replies import order
from shared.contracts import (
    Alert,
    Decision,
    DeliveryReport,
    Message,
    Outcome,
    PriceBody,
    ScanOpened,
    ScanSettled,
    Stream,
)
from shared.runtime.consumer import CLAIM_AFTER_MS, observe_latency
from shared.runtime.service import Service

GROUP: Final = "api"
CONSUMER: Final = "recorder"  #: fixed, so that a restart finds the messages that the last run read and did not store
STREAMS: Final = (
    *(Stream.SCANS, Stream.DECISIONS_PASSED, Stream.ALERTS, Stream.DELIVERIES, Stream.OUTCOMES, Stream.DECISIONS),
)
BATCH: Final = 256  #: of each stream
# What the database says about a row rather than about itself.
POISON: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, ValueError, TypeError)

log = structlog.get_logger()


@dataclass
class Statements:
    """Rows by the statement that stores them, in the order in which they have to go."""

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {
            statement: []
            for statement in (
                *(rows.SCAN_OPENED, rows.SCAN_SETTLED, rows.DECISION, rows.WHOLE, rows.SIGNAL),
                *(rows.ALERT, rows.LIFECYCLE, rows.DELIVERY, outcomes.OUTCOME),
            )
        }
    )
    judgements: dict[int, dict[str, Any]] = field(default_factory=dict)  #: of the decisions among the rows
    scans: set[int] = field(default_factory=set)  #: whose decisions are among the rows

    def add(self, message: Message) -> None:
        """Add what *message* stores; a message that stores nothing raises `TypeError`."""
        match message:
            case ScanOpened():
                self.rows[rows.SCAN_OPENED].append(rows.scan_opened(message))
            case ScanSettled():
                self.rows[rows.SCAN_SETTLED].append(rows.scan_settled(message))
            case Decision():
                judgement = narrow.judgement(message)
                self.judgements[judgement["judgement_id"]] = judgement
                self.rows[rows.DECISION].append(rows.decision(message, judgement["judgement_id"]))
                self.rows[rows.WHOLE].append(rows.whole(message))
                self.rows[rows.SIGNAL].extend(rows.signals_of_decision(message))
                self.scans.add(message.analysis.scan_id)
            case Alert():
                self.rows[rows.ALERT].append(rows.alert(message))
                self.rows[rows.SIGNAL].extend(rows.signals_of_alert(message))
                if (change := rows.lifecycle(message)) is not None:
                    self.rows[rows.LIFECYCLE].append(change)
            case DeliveryReport():
                self.rows[rows.DELIVERY].append(rows.delivery(message))
            case Outcome():
                self.rows[outcomes.OUTCOME].append(outcomes.parameters(message))
            case _:
                raise TypeError(f"nothing records a {type(message).__name__}")

    async def store(self, connection: Connection) -> None:
        """Run every statement over its rows, pipelined."""
        async with connection.cursor() as cursor:
            if self.judgements:  # in one order, so that two recorders never wait for each other
                shared = [self.judgements[number] for number in sorted(self.judgements)]
                await cursor.executemany(rows.JUDGEMENT.encode(), shared)
            for statement, parameters in self.rows.items():
                if parameters:
                    await cursor.executemany(statement.encode(), parameters)


def newest(tokens: Iterable[Token]) -> dict[Stream, str]:
    """Return the id of the newest entry of each stream among *tokens*."""
    found: dict[Stream, str] = {}
    for token in tokens:
        found[token.stream] = max(found.get(token.stream, "0-0"), token.entry_id, key=order)
    return found


class Recorder:
    """Reads with the group "api", stores, acknowledges."""

    def __init__(
        self, service: Service, bus: Bus, database: Database, fired: asyncio.Event, spans: AlertSpans | None = None
    ) -> None:
        self.service = service
        self.bus = bus
        self.database = database
        self.fired = fired  #: set when a price alert has fired
        self._spans = spans
        self.storing = asyncio.Lock()  #: held while read messages are not yet stored
        self.stored = 0  #: messages since this process started
        self.waiting = ""  #: why nothing is stored at present; empty: it is
        self.restore = asyncio.Event()  #: set when what Postgres has is to be published again
        self._newest: dict[Stream, str] = {}  #: stream -> the id of the newest entry that is recorded
        self._marks_known = False  #: whether what an earlier process recorded is among them
        self._outdated: dict[Stream, str] = {}  #: marks of entries that were taken back
        self.lost = 0  #: messages that the bus dropped before they could be read, since this process started

    async def run(self) -> None:
        """Record until the service stops."""
        try:
            await self._run()
        finally:
            if self._spans is not None:
                await asyncio.to_thread(self._spans.close)

    async def _run(self) -> None:
        deliveries: list[Delivery] = []
        begun, next_claim = False, 0.0
        while not self.service.stopping.is_set():
            try:
                if not begun:
                    await self.find_rollback()
                    await self.count_lost()
                    deliveries, begun = await self.bus.pending(GROUP, CONSUMER, STREAMS), True
                for start in range(0, len(deliveries), BATCH):
                    await self.record(deliveries[start : start + BATCH])
                self.service.beat(self.waiting)
                deliveries = await self.bus.read(GROUP, CONSUMER, STREAMS, count=BATCH)
                if time.monotonic() >= next_claim:
                    deliveries += await self._claimed()
                    next_claim = time.monotonic() + CLAIM_AFTER_MS / 5_000
            except (RedisError, OSError) as error:
                log.warning("the bus does not answer", error=str(error))
                deliveries, begun = [], False
                self.service.beat("the bus")
                await self.service.pause(1.0)

    async def _claimed(self) -> list[Delivery]:
        """Claim messages that failed, or that another consumer left."""
        await self.find_rollback()
        claimed: list[Delivery] = []
        for stream in STREAMS:
            claimed += await self.bus.claim(GROUP, CONSUMER, stream, min_idle_ms=CLAIM_AFTER_MS)
            backlog = await self.bus.backlog(stream, GROUP)
            metrics.LAG.labels(stream, GROUP).set(backlog.undelivered)
            metrics.OLDEST_PENDING.labels(stream, GROUP).set(backlog.oldest_pending_ms / 1_000)
        return claimed

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """Store and acknowledge *deliveries*, waiting as long as the database is away."""
        if not deliveries:
            return
        async with self.storing:
            stored, waited = await self._patiently(deliveries)
        if not stored:  # the service stops; what was not acknowledged is read again
            return
        await self.bus.commit(Commit(tokens=[delivery.token for delivery in stored]))
        self.stored += len(stored)
        self._remember(newest(delivery.token for delivery in stored))
        if self._spans is not None:
            self._spans.take(delivery.message for delivery in stored)
        if waited:
            await self.count_lost()
        observe_latency(delivery.token for delivery in stored)
        if any(isinstance(item.message, Alert) and isinstance(item.message.body, PriceBody) for item in stored):
            self.fired.set()

    def _remember(self, entries: Mapping[Stream, str]) -> None:
        """Keep the newest entry of each stream among *entries* and before."""
        for stream, entry_id in entries.items():
            self._newest[stream] = max(self._newest.get(stream, "0-0"), entry_id, key=order)

    async def find_rollback(self) -> None:
        """Notice a failover that took back what is recorded, now or by an earlier process.

        The state in Postgres is published again; only then the marks of what was taken back are forgotten.
        """
        await self._keep_marks()
        gone = [stream for stream, newest in self._newest.items() if await self.bus.rolled_back(stream, newest)]
        if not gone:
            return
        self._outdated |= {stream: self._newest.pop(stream) for stream in gone}
        metrics.ROLLED_BACK.inc()
        log.error("the bus lacks what is recorded: a failover took it back", streams=gone)
        self.restore.set()
        self.fired.set()

    async def _keep_marks(self) -> None:
        """Read what an earlier process recorded, and forget outdated marks, as soon as the database answers."""
        try:
            if not self._marks_known:
                self._remember(await marks.load(self.database))
                self._marks_known = True
            if self._outdated and not self.restore.is_set():
                await marks.forget(self.database, self._outdated)
                self._outdated.clear()
        except DatabaseAwayError as error:
            log.debug("the marks of what is recorded wait for the database", error=str(error))

    async def count_lost(self) -> None:
        """Count the messages that the bus dropped unread; the next read would hide them."""
        for stream in STREAMS:
            lost = (await self.bus.backlog(stream, GROUP)).trimmed_unread
            if lost:
                self.lost += lost
                metrics.DROPPED.labels(stream, "unread").inc(lost)
                log.warning("messages were dropped before they could be recorded", stream=stream, count=lost)

    async def _patiently(self, deliveries: Sequence[Delivery]) -> tuple[list[Delivery], bool]:
        """Return what was stored, and whether the database had to be waited for."""
        waited = False
        while not self.service.stopping.is_set():
            try:
                stored = await self._store(deliveries)
                self.waiting = ""
                return stored, waited
            except DatabaseAwayError as error:
                if not self.waiting:
                    log.warning("the database does not answer; nothing is acknowledged", error=str(error))
                waited = True
                self.waiting = f"the database: {error}"
                self.service.beat(self.waiting)
                await self.service.pause(1.0)
        return [], waited

    async def _store(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Store all in one transaction; if a row is refused, each alone.  Return the stored messages."""
        try:
            await self._transaction(deliveries)
            return list(deliveries)
        except POISON as error:
            if len(deliveries) == 1:
                await self._refuse(deliveries[0], error)
                return []
        stored: list[Delivery] = []
        for delivery in deliveries:
            stored += await self._store([delivery])
        return stored

    async def _transaction(self, deliveries: Sequence[Delivery]) -> None:
        statements = Statements()
        for delivery in deliveries:
            statements.add(delivery.message)
        async with self.database.connection() as connection:
            await self.database.ensure_partitions(connection, statements.scans)
            await statements.store(connection)
            await marks.save(connection, newest(delivery.token for delivery in deliveries))
        self.database.partitions_exist(statements.scans)

    async def _refuse(self, delivery: Delivery, error: Exception) -> None:
        """Leave a message pending with its error: it is tried again, and becomes a dead letter in the end."""
        log.error("a message could not be stored", stream=delivery.token.stream, error=repr(error))
        await self.bus.fail(delivery, repr(error))
