"""Reference data: contracts, the universe chosen among them, funding intervals and settlements."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from services.fetcher.domain.derivatives import SETTLEMENTS, SymbolDerivatives
from services.fetcher.domain.market_state import Market
from services.fetcher.domain.universe import select
from services.fetcher.exchange import Exchange, RefusedError
from services.fetcher.feed.clock import ExchangeClock
from shared import metrics
from shared.contracts import HOUR_MS, SCAN_MS
from shared.runtime.service import Service

SETTLED_AFTER_MS: Final = 60_000  #: by then a settlement is published
USUAL_FUNDING_HOURS: Final = 8

log = structlog.get_logger()


class ReferenceData:
    """Keeps contracts, universe and funding as the exchange lists them."""

    def __init__(self, service: Service, market: Market, clock: ExchangeClock, exchange: Exchange) -> None:
        self._service = service
        self._market, self._clock = market, clock
        self._exchange = exchange
        self._hours: dict[str, int] = {}  #: funding intervals that the exchange lists
        self._hours_at = 0

    async def refresh_universe(self) -> None:
        """Choose the coins anew, by the volumes of now."""
        await self.refresh_instruments()
        volumes = await self._exchange.volumes()
        wanted, market = self._service.settings.settings.universe, self._market
        watched, bitcoin = market.selection.symbols, self._exchange.capabilities.bitcoin
        market.choose(select(market.instruments, volumes, wanted, self._clock.now(), watched, bitcoin=bitcoin))
        log.info("universe", symbols=len(market.selection.symbols))

    async def refresh_instruments(self) -> None:
        """Take tick sizes, states and new contracts."""
        instruments = await self._exchange.instruments()
        for reason in (found.unknown for found in instruments.values() if found.unknown):
            metrics.FEED_FAULTS.labels(f"unknown {reason}").inc()
        self._market.learn(instruments)

    async def follow_funding(self) -> None:
        """Keep settlements and intervals: at the start, and after each settlement."""
        if "funding" not in self._exchange.capabilities.unavailable:
            await self._refresh_funding()
        await asyncio.sleep(max(1.0, self._clock.wall_seconds(SCAN_MS)))

    async def _refresh_funding(self) -> None:
        hours = await self._funding_hours()
        for symbol, coin in list(self._market.coins.items()):
            coin.derivatives.listed_hours = hours.get(symbol)
            if self._settlement_due(coin.derivatives):
                with contextlib.suppress(RefusedError):
                    settled = await self._exchange.settled_funding(symbol, limit=SETTLEMENTS)
                    coin.derivatives.funding.merge(*settled)

    async def _funding_hours(self) -> dict[str, int]:
        now = self._clock.now()
        if now - self._hours_at >= HOUR_MS or not self._hours_at:
            self._hours = await self._exchange.funding_intervals()
            self._hours_at = now
        return self._hours

    def _settlement_due(self, held: SymbolDerivatives) -> bool:
        newest = held.funding.newest()
        hours = held.interval_hours(self._clock.now()) or USUAL_FUNDING_HOURS
        return not newest or self._clock.now() > newest + hours * HOUR_MS + SETTLED_AFTER_MS
