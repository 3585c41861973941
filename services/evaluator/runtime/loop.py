"""The active evaluator's loop: read, follow, commit each scan atomically."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from services.evaluator import handler
from services.evaluator.domain import following
from services.evaluator.domain.following import FollowingState
from services.evaluator.handler import HandledScan
from services.evaluator.runtime.pending_scans import DecidedScan, DecisionInbox
from shared import metrics
from shared.bus import Delivery, Lease, Token
from shared.contracts import Outcome, StateRestored, Stream
from shared.runtime.consumer import observe_latency
from shared.runtime.service import Service
from shared.runtime.stage.loop import LeasedLoop
from shared.runtime.stage.reader import StageReader
from shared.runtime.stage.state_store import StateForm, StateStore

NAME: Final = "evaluator"
STREAMS: Final = (Stream.SCANS, Stream.DECISIONS_PASSED, Stream.DECISIONS)
FORM: Final = StateForm(following.load, following.dump, following.changed)

log = structlog.get_logger()


class Follower(LeasedLoop[FollowingState]):
    """One active evaluator: it takes each settled scan once all of its decisions are here."""

    def __init__(self, service: Service, lease: Lease) -> None:
        super().__init__(service, StateStore(service.bus, lease, FORM))
        self.reader = StageReader(service.bus, lease, STREAMS)
        self.inbox = DecisionInbox()

    async def _begin(self) -> None:
        """Load the state and the uncommitted messages; count those that were dropped unread."""
        await self.reader.begin()
        if not await self._load():
            return
        metrics.FOLLOWED.set(len(self.state.followed))
        for stream in STREAMS:
            if lost := (await self.service.bus.backlog(stream, NAME)).trimmed_unread:
                metrics.DROPPED.labels(stream, "unread").inc(lost)
                log.warning("messages were dropped before they could be followed", stream=stream, count=lost)
        self.inbox = DecisionInbox()
        self.inbox.take(await self.reader.pending(), self.state.settled_scan)

    async def _restore(self, known: StateRestored) -> None:
        log.info("state restored", version=known.version, followed=len(known.following))
        settings = self.service.settings.settings
        await self.store.put(following.restore(known.following, settings, known.settled_scan))

    async def _turn(self) -> None:
        """Read once and take every scan that can be taken."""
        deliveries = await self.reader.read(self.inbox.seen)
        self.inbox.take(deliveries, self.state.settled_scan)
        while (held := self.inbox.ready(idle=not deliveries)) is not None:
            await self._take(held)
        if self.inbox.done:
            await self._commit(HandledScan(self.state), [], None)
        self.service.beat()

    async def _take(self, held: DecidedScan) -> None:
        """Commit the results of *held*; a decision that raises becomes a dead letter, the others go on."""
        settings_at = self.service.settings.at
        try:
            with metrics.HANDLING.labels(NAME).time():
                answer = handler.take_scan(self.state, held.scan_id, held.facts(), settings_at)
        except Exception as error:
            log.error("a scan could not be followed", scan=held.scan_id, error=repr(error), exc_info=error)
            await self._put_aside(held, error)
            return
        await self._commit(answer, held.tokens, held.scan_id)

    async def _put_aside(self, held: DecidedScan, error: Exception) -> None:
        """Make dead letters of the decisions that cause *error*, of all where none raises alone."""
        found = handler.culprits(self.state, held.scan_id, held.facts(), self.service.settings.at)
        for symbol, raised in (found or dict.fromkeys(held.by_symbol, error)).items():
            delivery = held.give_up(symbol)
            await self._dead(delivery, raised)
            self.inbox.forget([delivery.token])
        if not found:
            answer = handler.take_scan(self.state, held.scan_id, {}, self.service.settings.at)
            await self._commit(answer, held.tokens, held.scan_id)

    async def _dead(self, delivery: Delivery, error: Exception) -> None:
        await self.service.bus.fail(delivery, repr(error))
        await self.service.bus.put_aside(delivery, repr(error))

    async def _commit(self, answer: HandledScan, tokens: Sequence[Token], scan_id: int | None) -> None:
        """Commit *answer*, and acknowledge all messages that are done."""
        tokens = [*tokens, *self.inbox.done]
        await self.store.commit(answer.state, answer.outputs, tokens)
        self.inbox.forget(tokens, scan_id)
        metrics.FOLLOWED.set(len(self.state.followed))
        observe_latency(tokens)
        for _, message in answer.outputs:
            if isinstance(message, Outcome) and message.result:
                metrics.OUTCOMES.labels(message.kind, message.result).inc()
