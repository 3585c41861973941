"""The active gatekeeper's loop: read, judge, commit atomically."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import structlog

from services.gatekeeper import handler
from services.gatekeeper.domain import inhibition, recovery
from services.gatekeeper.domain import state as states
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import Handled, JudgingContext
from services.gatekeeper.runtime import counts
from services.gatekeeper.runtime.pending_scans import AnalysedScan, AnalysisInbox
from services.gatekeeper.runtime.poison import PoisonedMessages, culprits
from services.gatekeeper.runtime.reader import MarketReader
from shared import metrics
from shared.bus import Delivery, Lease, Token
from shared.contracts import (
    Alert,
    Analysis,
    MutesChanged,
    PriceAlertsChanged,
    PriceTick,
    ScanOpened,
    StateRestored,
    Stream,
)
from shared.runtime.service import Service
from shared.runtime.stage.loop import LeasedLoop
from shared.runtime.stage.state_store import StateForm, StateStore
from shared.runtime.tracing import trace_of

NAME: Final = "gatekeeper"
FORM: Final = StateForm(states.load, states.dump, states.changed)
RECENT_TICKS: Final = 120  #: kept for signals that open late

T = TypeVar("T", PriceTick, Analysis)

log = structlog.get_logger()


class Gatekeeper(LeasedLoop[State]):
    """One active gatekeeper: it takes ticks at once, and settles each scan when it is complete or overdue."""

    def __init__(self, service: Service, lease: Lease) -> None:
        super().__init__(service, StateStore(service.bus, lease, FORM))
        self.active_since = _now()
        self.reader = MarketReader(service.bus, lease, now=self.active_since)
        self.suspects = PoisonedMessages(service.bus)
        self.inbox = AnalysisInbox()
        self.recent: list[PriceTick] = []

    async def _begin(self) -> None:
        """Load the state and the uncommitted messages."""
        await self.reader.begin()
        if not await self._load():
            return
        for kind in (PriceAlertsChanged, MutesChanged):  # before the first tick
            if (event := await self.service.bus.newest_setting(kind)) is not None:
                self.service.settings.take(event)
        # stale data stays stale until a message of the market comes
        self.reader.heard = self.state.watch.stale_since or self.reader.heard
        self.inbox, self.recent = AnalysisInbox(), []
        self._take(await self.reader.pending())

    async def _restore(self, known: StateRestored) -> None:
        log.info("state restored", version=known.version, open_signals=len(known.open_signals))
        alerts = recovery.alerts(self.service.bus.market, known, now=_now())
        await self.store.put(recovery.restore(known), [(Stream.ALERTS, alert) for alert in alerts])

    async def _turn(self) -> None:
        """Read once and handle everything that is ready."""
        self._take(await self.reader.read(self.inbox.seen))
        await self._ticks()
        while (held := self.inbox.oldest()) is not None and await self._settled(held):
            pass
        await self._rest()
        self.service.beat()

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        self.inbox.take(deliveries, self.state.progress.settled_scan)

    def _context(self, opened: ScanOpened | None = None) -> JudgingContext:
        """Return the judging context: with the settings of a scan's opening, or of now."""
        cache = self.service.settings
        version = cache.version if opened is None else cache.known(opened.settings_version)
        asked = cache.price_alerts.price_alerts if cache.price_alerts.version >= 0 else None
        return JudgingContext(self.service.bus.market, cache.at(version), _now(), cache.mutes.mutes, asked, version)

    async def _ticks(self) -> None:
        """Handle the ticks at once: labels are live."""
        await self._commit_until_failure(list(self.inbox.ticks), self._take_ticks)

    def _take_ticks(self, held: Sequence[tuple[Delivery, PriceTick]]) -> Handled:
        down_before = self.active_since - 2_000
        ticks = [(tick, delivery.sent_at < down_before) for delivery, tick in held]
        outcome = handler.take_ticks(self.state, ticks, self._context())
        self.recent = [*self.recent, *(tick for _, tick in held)][-RECENT_TICKS:]
        return outcome

    async def _commit_until_failure(
        self, held: list[tuple[Delivery, T]], take: Callable[[Sequence[tuple[Delivery, T]]], Handled]
    ) -> None:
        """Commit *held*, handled by *take*; where one message raises, commit those before it.

        Those after it wait until it is a dead letter: handled out of order they would be skipped as old.
        """
        if not held or await self._taken(held, take) is None:
            return
        for one in held:
            if (error := await self._taken([one], take)) is not None:
                if await self.suspects.failed(one[0], error):
                    self.inbox.forget([one[0].token])
                return

    async def _taken(
        self, held: list[tuple[Delivery, T]], take: Callable[[Sequence[tuple[Delivery, T]]], Handled]
    ) -> Exception | None:
        """Commit *held*, handled by *take*; return the exception that it raised."""
        try:
            outcome = take(held)
        except Exception as error:
            return error
        await self._commit(outcome, [delivery.token for delivery, _ in held])
        return None

    async def _settled(self, held: AnalysedScan) -> bool:
        """Settle *held* if it is complete or overdue; return whether it was settled."""
        if self.inbox.ticks or Stream.TICKS in self.reader.behind:
            return False
        context = self._context(held.opened)
        started = max(held.opened_wall, self.active_since)
        overdue = not self.reader.behind and context.now - started >= context.settings.scanning.deadline_seconds * 1_000
        if held.opened is None:
            if not overdue and (self.reader.behind or not self.inbox.overtaken(held)):
                return False
            self.inbox.expire(held.scan_id)
            return True
        if not held.complete and not overdue:
            return False
        try:
            outcome = self._outcome(held, held.opened, held.facts(), context)
        except Exception as error:
            await self._blame(held, held.opened, context, error)
            return False
        await self._settle(held, outcome, context)
        return True

    def _outcome(
        self, held: AnalysedScan, opened: ScanOpened, analyses: Mapping[str, Analysis], context: JudgingContext
    ) -> Handled:
        """Return the results of the scan with *analyses*, and of the ticks that came while it waited."""
        outcome = handler.settle_scan(
            self.state,
            opened,
            analyses,
            context,
            opened_wall=held.opened_wall,
            entry_id=held.entry_id,
            at_deadline=not held.complete,
        )
        fresh = frozenset(outcome.state.signals.keys() - self.state.signals.keys())
        missed = [(tick, False) for tick in self.recent if tick.at > held.scan_id]
        if not fresh or not missed:
            return outcome
        shown = handler.take_ticks(outcome.state, missed, context, only=fresh)
        return Handled(shown.state, [*outcome.outputs, *shown.outputs])

    async def _blame(self, held: AnalysedScan, opened: ScanOpened, context: JudgingContext, error: Exception) -> None:
        """Count the failure of the messages that cause it; the scan goes on without those that failed too often."""

        def crash_of(analyses: Mapping[str, Analysis]) -> Exception | None:
            try:
                self._outcome(held, opened, analyses, context)
            except Exception as raised:
                return raised
            return None

        for delivery, raised in culprits(held, error, crash_of):
            if await self.suspects.failed(delivery, raised):
                held.give_up(delivery)
                self.inbox.forget([delivery.token])
        if held.opened is None:
            self.inbox.expire(held.scan_id)

    async def _settle(self, held: AnalysedScan, outcome: Handled, context: JudgingContext) -> None:
        recent = self.state.progress.recent
        trim = {Stream.SNAPSHOTS: recent[-1].entry_id, Stream.ANALYSES: recent[-1].entry_id} if recent else {}
        trim = {stream: entry_id for stream, entry_id in trim.items() if entry_id}
        await self._commit(outcome, held.tokens, trim_before=trim, scan_id=held.scan_id)
        metrics.SCANS.labels("complete" if held.complete else "deadline").inc()
        metrics.LAST_SCAN.set_to_current_time()
        metrics.SCAN_SECONDS.observe(max(0, context.now - held.opened_wall) / 1_000)
        for alert in (message for _, message in outcome.outputs if isinstance(message, Alert)):
            log.info("alert", alert=alert.alert_id, kind=alert.kind, trace_id=trace_of(self.service.bus.market, alert))
        log.info("settled", scan=held.scan_id, analyses=len(held.by_symbol), at_deadline=not held.complete)

    async def _rest(self) -> None:
        """Record late analyses, alert stale data, acknowledge repeated messages."""
        if self.inbox.late:
            await self._commit_until_failure(list(self.inbox.late), self._take_late)
        elif self.inbox.done:
            await self._commit(Handled(self.state), [])
        settings = self.service.settings.settings
        limit = inhibition.stale_limit_ms(self.service.environment.clock_speed, settings.feed.stale_seconds)
        await self._commit_if_new(
            handler.watch_staleness(self.state, self._context(), heard_wall=self.reader.heard, limit_ms=limit)
        )

    def _take_late(self, held: Sequence[tuple[Delivery, Analysis]]) -> Handled:
        return handler.take_late(self.state, [analysis for _, analysis in held], self._context())

    async def _commit_if_new(self, outcome: Handled) -> None:
        if outcome.outputs or outcome.state is not self.state:
            await self._commit(outcome, [])

    async def _commit(
        self,
        outcome: Handled,
        tokens: Sequence[Token],
        *,
        trim_before: dict[Stream, str] | None = None,
        scan_id: int | None = None,
    ) -> None:
        """Commit *outcome*, and acknowledge all messages that are done."""
        tokens = [*tokens, *self.inbox.done]
        await self.store.commit(outcome.state, outcome.outputs, tokens, trim_before)
        counts.count(outcome.outputs, open_signals=len(self.state.signals))
        self.inbox.forget(tokens, scan_id)


def _now() -> int:
    return time.time_ns() // 1_000_000
