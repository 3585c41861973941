"""The active gatekeeper at the bus: read, judge, commit, each commit all at once or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import structlog
from redis.exceptions import RedisError

from services.gatekeeper import handler
from services.gatekeeper.domain import inhibition
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import Outcome, World
from services.gatekeeper.inbox import Held, Inbox
from services.gatekeeper.memory import Memory, MovedError
from services.gatekeeper.reading import Reader
from services.gatekeeper.suspects import Suspects, culprits
from shared import metrics
from shared.bus import Delivery, Lease, Token
from shared.contracts import (
    Analysis,
    MutesChanged,
    PriceAlertsChanged,
    PriceTick,
    ScanOpened,
    StateRestored,
    Stream,
)
from shared.service import Service

RECENT_TICKS: Final = 120  #: kept to show them to signals that open late

T = TypeVar("T", PriceTick, Analysis)

log = structlog.get_logger()


class Keeper:
    """One holder of the lease, from taking it to losing it."""

    def __init__(self, service: Service, lease: Lease) -> None:
        self.service = service
        self.active_since = _now()
        self.memory = Memory(service.bus, lease)
        self.reader = Reader(service.bus, lease, now=self.active_since)
        self.suspects = Suspects(service.bus)
        self.inbox = Inbox()
        self.recent: list[PriceTick] = []

    @property
    def state(self) -> State:
        """What is remembered, as last committed."""
        return self.memory.state

    async def work(self) -> None:
        """Work until the lease is lost or the service stops."""
        while not self.service.stopping.is_set():
            try:
                await self._begin()
                while not self.service.stopping.is_set():
                    await self._turn()
            except MovedError:
                log.info("the state has moved: beginning anew")
            except (RedisError, OSError) as error:
                log.warning("the bus does not answer", error=str(error))
                await self.service.pause(0.5)

    async def _begin(self) -> None:
        """Load the state and what was read and never committed."""
        await self.reader.begin()
        while not await self.memory.load():
            if self.service.stopping.is_set():
                return
            await self._restore()
        for event in await self.service.bus.newest_settings():
            if isinstance(event, PriceAlertsChanged | MutesChanged):  # the first tick is to find them
                self.service.settings.take(event)
        # silence goes on until something is heard
        self.reader.heard = self.state.watch.stale_since or self.reader.heard
        self.inbox, self.recent = Inbox(), []
        self._take(await self.reader.pending())

    async def _restore(self) -> None:
        """Begin from what Postgres knows, once the API has told it on this very bus."""
        known = [event for event in await self.service.bus.newest_settings() if isinstance(event, StateRestored)]
        if known:
            await self.memory.restore(known[0], now=_now())
        else:
            self.service.beat("state from the API")
            await self.service.pause(0.2)

    async def _turn(self) -> None:
        """Read once and do all that can be done."""
        self._take(await self.reader.read(self.inbox.seen))
        await self._ticks()
        while (held := self.inbox.oldest()) is not None and await self._settled(held):
            pass
        await self._rest()
        self.service.beat()

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        self.inbox.take(deliveries, self.state.progress.settled_scan)

    def _world(self, opened: ScanOpened | None = None) -> World:
        """Return what people have asked for: at the opening of a scan, or now."""
        cache = self.service.settings
        version = cache.version if opened is None else cache.known(opened.settings_version)
        asked = cache.price_alerts.price_alerts if cache.price_alerts.version >= 0 else None
        return World(cache.at(version), _now(), cache.mutes.mutes, asked, version)

    async def _ticks(self) -> None:
        """Take the ticks at once: labels are live."""
        await self._up_to_the_bad_one(list(self.inbox.ticks), self._take_ticks)

    def _take_ticks(self, held: Sequence[tuple[Delivery, PriceTick]]) -> Outcome:
        down_before = self.active_since - 2_000
        ticks = [(tick, delivery.sent_at < down_before) for delivery, tick in held]
        outcome = handler.take_ticks(self.state, ticks, self._world())
        self.recent = [*self.recent, *(tick for _, tick in held)][-RECENT_TICKS:]
        return outcome

    async def _up_to_the_bad_one(
        self, held: list[tuple[Delivery, T]], take: Callable[[Sequence[tuple[Delivery, T]]], Outcome]
    ) -> None:
        """Commit what *take* makes of *held*; where one of them crashes it, of what comes before that one.

        What follows waits until the bad one is put aside: taken later, it would be old news.
        """
        if not held or await self._taken(held, take) is None:
            return
        for one in held:
            if (error := await self._taken([one], take)) is not None:
                if await self.suspects.failed(one[0], error):
                    self.inbox.forget([one[0].token])
                return

    async def _taken(
        self, held: list[tuple[Delivery, T]], take: Callable[[Sequence[tuple[Delivery, T]]], Outcome]
    ) -> Exception | None:
        """Commit what *take* makes of *held*; return what it raised."""
        try:
            outcome = take(held)
        except Exception as error:
            return error
        await self._commit(outcome, [delivery.token for delivery, _ in held])
        return None

    async def _settled(self, held: Held) -> bool:
        """Settle *held* if it is time; return whether that was done."""
        if self.inbox.ticks or not self.reader.ticks_caught_up:
            return False
        world = self._world(held.opened)
        started = max(held.opened_wall, self.active_since)
        overdue = self.reader.caught_up and world.now - started >= world.settings.scanning.deadline_seconds * 1_000
        if held.opened is None:
            if not overdue and not (self.reader.caught_up and self._opened_after(held)):
                return False
            self.inbox.expire(held.scan_id)
            return True
        if not held.complete and not overdue:
            return False
        try:
            outcome = self._outcome(held, held.opened, held.facts(), world)
        except Exception as error:
            await self._blame(held, held.opened, world, error)
            return False
        await self._settle(held, outcome, world)
        return True

    def _opened_after(self, held: Held) -> bool:
        """Whether a later scan is complete while *held* was never opened: it will not be."""
        return any(later.complete for scan_id, later in self.inbox.scans.items() if scan_id > held.scan_id)

    def _outcome(self, held: Held, opened: ScanOpened, analyses: Mapping[str, Analysis], world: World) -> Outcome:
        """Return what comes of the scan with *analyses*, and of the ticks that were told while it waited."""
        outcome = handler.settle_scan(
            self.state,
            opened,
            analyses,
            world,
            opened_wall=held.opened_wall,
            entry_id=held.entry_id,
            at_deadline=not held.complete,
        )
        fresh = frozenset(outcome.state.signals.keys() - self.state.signals.keys())
        missed = [(tick, False) for tick in self.recent if tick.at > held.scan_id]
        if not fresh or not missed:
            return outcome
        shown = handler.take_ticks(outcome.state, missed, world, only=fresh)
        return Outcome(shown.state, [*outcome.outputs, *shown.outputs])

    async def _blame(self, held: Held, opened: ScanOpened, world: World, error: Exception) -> None:
        """Count the crash against the messages to blame; the scan goes on without those that crashed too often."""

        def crash_of(analyses: Mapping[str, Analysis]) -> Exception | None:
            try:
                self._outcome(held, opened, analyses, world)
            except Exception as raised:
                return raised
            return None

        for delivery, raised in culprits(held, error, crash_of):
            if await self.suspects.failed(delivery, raised):
                held.give_up(delivery)
                self.inbox.forget([delivery.token])
        if held.opened is None:
            self.inbox.expire(held.scan_id)

    async def _settle(self, held: Held, outcome: Outcome, world: World) -> None:
        recent = self.state.progress.recent
        trim = {Stream.SNAPSHOTS: recent[-1].entry_id, Stream.ANALYSES: recent[-1].entry_id} if recent else {}
        trim = {stream: entry_id for stream, entry_id in trim.items() if entry_id}
        await self._commit(outcome, held.tokens, trim_before=trim, scan_id=held.scan_id)
        metrics.SCANS.labels("complete" if held.complete else "deadline").inc()
        metrics.SCAN_SECONDS.observe(max(0, world.now - held.opened_wall) / 1_000)
        log.info("settled", scan=held.scan_id, analyses=len(held.analyses), at_deadline=not held.complete)

    async def _rest(self) -> None:
        """Record what came late, tell of silence, acknowledge what says nothing new."""
        if self.inbox.late:
            await self._up_to_the_bad_one(list(self.inbox.late), self._take_late)
        elif self.inbox.done:
            await self._commit(Outcome(self.state), [])
        settings = self.service.settings.settings
        limit = inhibition.silent_limit_ms(self.service.environment.clock_speed, settings.feed.stale_seconds)
        await self._commit_if_new(
            handler.watch_silence(self.state, self._world(), heard_wall=self.reader.heard, limit_ms=limit)
        )

    def _take_late(self, held: Sequence[tuple[Delivery, Analysis]]) -> Outcome:
        return handler.take_late(self.state, [analysis for _, analysis in held], self._world())

    async def _commit_if_new(self, outcome: Outcome) -> None:
        if outcome.outputs or outcome.state is not self.state:
            await self._commit(outcome, [])

    async def _commit(
        self,
        outcome: Outcome,
        tokens: Sequence[Token],
        *,
        trim_before: dict[Stream, str] | None = None,
        scan_id: int | None = None,
    ) -> None:
        """Commit *outcome*, with all that may be acknowledged besides."""
        tokens = [*tokens, *self.inbox.done]
        await self.memory.commit(outcome, tokens, trim_before or {})
        self.inbox.forget(tokens, scan_id)


def _now() -> int:
    return time.time_ns() // 1_000_000
