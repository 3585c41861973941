"""Collects the bars of a close: from the streams, over REST where they are late; replaces silent streams."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from services.fetcher.domain.market_state import Market
from services.fetcher.exchange import Exchange, Feed
from services.fetcher.feed.backfill import Backfill
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.derivatives_sweep import DerivativesSweep
from shared import metrics
from shared.runtime.service import Service

NAP_S: Final = 0.25  #: the longest wait between two checks


class BarCollector:
    """Collects the bars of one close after another."""

    def __init__(
        self,
        service: Service,
        market: Market,
        clock: ExchangeClock,
        arrivals: asyncio.Event,
        *,
        exchange: Exchange,
        feed: Feed,
        sweep: DerivativesSweep,
        backfill: Backfill,
        meanwhile: Callable[[], bool],
    ) -> None:
        self._service = service
        self._market, self._clock = market, clock
        self._arrivals = arrivals
        self._exchange, self._feed = exchange, feed
        self._sweep, self._backfill = sweep, backfill
        self._meanwhile = meanwhile  #: does a piece of work while bars are awaited; False where there is none
        self._misses: Counter[str] = Counter()  #: symbol -> closes in a row without a bar from its stream

    async def bars_of(self, close: int) -> None:
        """Return when the bars of *close* are in, or when nothing more is waited for."""
        market, feed = self._market, self._service.settings.settings.feed
        await self._until(lambda: self._clock.now() >= close or not market.awaited())
        grace: float = feed.grace_seconds
        deadline = time.monotonic() + grace
        # only a scan without any futures data is worth waiting for them; in lockstep each has to have its own
        swept = self._clock.speed > 0 and self._sweep.done_for > 0
        by_request = feed.rest_only or not self._exchange.capabilities.closed_flag
        if by_request:
            await self._backfill.fill(market.awaited(), close, patience=grace)

        def complete() -> bool:
            return market.settled and (swept or self._sweep.done_for >= close)

        while not complete() and time.monotonic() < deadline:
            await self._until(lambda: complete() or bool(market.doubtful()), deadline)
            if doubtful := market.doubtful():
                await self._backfill.fill(doubtful, close, patience=grace)
        late = market.awaited()
        if late:
            await self._backfill.fill(late, close, patience=grace)
        if not by_request:
            self._judge_streams(late)

    async def _until(self, reached: Callable[[], bool], deadline: float = float("inf")) -> None:
        """Return when *reached* or at the *deadline* (monotonic); beats while it waits."""
        arrivals = self._arrivals
        while not reached() and (rest := deadline - time.monotonic()) > 0:
            arrivals.clear()
            self._service.beat(self._trouble())
            if self._meanwhile():
                await asyncio.sleep(0)  # frames that have come meanwhile are taken first
                continue
            nap = min(rest, NAP_S, self._clock.wall_seconds(self._market.next_close - self._clock.now()) + 0.005)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.01, nap)):
                    await arrivals.wait()

    def _trouble(self) -> str:
        """Return why the exchange refuses this address, as health and status show it; empty when it does not."""
        blocked = self._exchange.budget.blocked
        return f"exchange: {blocked}" if blocked else ""

    def _judge_streams(self, late: frozenset[str]) -> None:
        """Replace the connections of streams that were silent at two closes in a row, or all at once."""
        metrics.FEED_FAULTS.labels("late bar").inc(len(late))
        quiet = self._market.unheard(late)  # the other streams deliver, but unusable bars
        self._misses = Counter({symbol: self._misses[symbol] + 1 for symbol in quiet})
        silent = [symbol for symbol, times in self._misses.items() if times >= 2]
        if len(quiet) > len(self._market.selection.held) / 2:
            silent = list(quiet)
        if silent:
            self._feed.replace(silent, "streams silent")
            self._misses.clear()
