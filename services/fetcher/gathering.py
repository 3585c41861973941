"""The bars of a close: waited for, brought by REST where they are late, and the streams judged by it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from services.fetcher.binance.streams import Streams
from services.fetcher.market import Market
from services.fetcher.mending import Mending
from services.fetcher.sweep import Sweep
from shared import metrics
from shared.service import Service

NAP_S: Final = 0.25  #: after which a waiter looks again in any case


class Gathering:
    """Has the bars of one close after another together."""

    def __init__(
        self,
        service: Service,
        market: Market,
        *,
        streams: Streams,
        sweep: Sweep,
        mending: Mending,
        refused: Callable[[], str],
    ) -> None:
        self._service = service
        self._market, self._clock = market, market.clock
        self._streams, self._sweep, self._mending = streams, sweep, mending
        self._refused = refused  #: why the exchange refuses this address now
        self._misses: Counter[str] = Counter()  #: closes in a row that a stream did not bring

    async def bars_of(self, close: int) -> None:
        """Return when the bars of *close* are in, or when nothing more is waited for."""
        await self._until(lambda: self._clock.now() >= close or not self._market.waiting)
        market, feed = self._market, self._service.settings.settings.feed
        grace: float = feed.grace_seconds
        deadline = time.monotonic() + grace
        # only a scan without any futures data is worth waiting for them; in lockstep each has to have its own
        swept = self._clock.speed > 0 and self._sweep.done_for > 0
        if feed.rest_only:
            await self._mending.fill(market.waiting, close, patience=grace)

        def complete() -> bool:
            return not market.waiting and not market.suspect and (swept or self._sweep.done_for >= close)

        while not complete() and time.monotonic() < deadline:
            await self._until(lambda: complete() or bool(market.urgent or market.suspect), deadline)
            if market.urgent or market.suspect:
                await self._mending.fill(market.urgent | market.suspect, close, patience=grace)
        late = set(market.waiting)
        if late:
            await self._mending.fill(late, close, patience=grace)
        if not feed.rest_only:
            self._judge_streams(late)

    async def _until(self, reached: Callable[[], bool], deadline: float = float("inf")) -> None:
        """Return when *reached* or at the *deadline* (monotonic); beats while it waits."""
        moved = self._market.moved
        while not reached() and (rest := deadline - time.monotonic()) > 0:
            moved.clear()
            refused = self._refused()
            self._service.beat(f"exchange: {refused}" if refused else "")
            nap = min(rest, NAP_S, self._clock.wall_seconds(self._market.next_close - self._clock.now()) + 0.005)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.01, nap)):
                    await moved.wait()

    def _judge_streams(self, late: set[str]) -> None:
        """Replace the sockets of streams that were silent at two closes in a row, or all at once."""
        metrics.FEED_FAULTS.labels("late bar").inc(len(late))
        late -= self._market.brought  # their streams do speak; what they say cannot be used
        self._misses = Counter({symbol: self._misses[symbol] + 1 for symbol in late})
        silent = [symbol for symbol, times in self._misses.items() if times >= 2]
        if len(late) > len(self._market.selection.held) / 2:
            silent = list(late)
        if silent:
            self._streams.silent(silent, "streams silent")
            self._misses.clear()
