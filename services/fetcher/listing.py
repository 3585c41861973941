"""What the exchange lists: contracts, the universe chosen among them, funding intervals and settlements."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from services.fetcher.binance.errors import RefusedError
from services.fetcher.binance.rest import BinanceRest
from services.fetcher.derivatives import SETTLEMENTS, SymbolDerivatives
from services.fetcher.market import Market
from services.fetcher.universe import select
from shared import metrics
from shared.contracts import SCAN_MS
from shared.service import Service

HOUR_MS: Final = 3_600_000
SETTLED_AFTER_MS: Final = 60_000  #: by then a settlement is told

log = structlog.get_logger()


class Listing:
    """Keeps contracts, universe and funding as the exchange lists them."""

    def __init__(self, service: Service, market: Market, rest: BinanceRest) -> None:
        self._service = service
        self._market = market
        self._clock = market.clock
        self._rest = rest
        self._hours: dict[str, int] = {}  #: funding intervals that the exchange lists
        self._hours_at = 0

    async def refresh_universe(self) -> None:
        """Choose the coins anew, by the volumes of now."""
        await self.refresh_instruments()
        volumes = await self._rest.volumes()
        wanted = self._service.settings.settings.universe
        market = self._market
        market.choose(select(market.instruments, volumes, wanted, self._clock.now(), market.selection.symbols))
        log.info("universe", symbols=len(market.selection.symbols))

    async def refresh_instruments(self) -> None:
        """Take tick sizes, states and new contracts from exchangeInfo."""
        instruments = await self._rest.instruments()
        for reason in (found.unknown for found in instruments.values() if found.unknown):
            metrics.FEED_FAULTS.labels(f"unknown {reason}").inc()
        self._market.learn(instruments)

    async def follow_funding(self) -> None:
        """Keep settlements and intervals: at the start, and after each settlement."""
        hours = await self._funding_hours()
        for symbol, coin in list(self._market.coins.items()):
            coin.derivatives.listed_hours = hours.get(symbol)
            if self._settlement_due(coin.derivatives):
                with contextlib.suppress(RefusedError):
                    coin.derivatives.funding.merge(*await self._rest.funding_rates(symbol, limit=SETTLEMENTS))
        await asyncio.sleep(max(1.0, self._clock.wall_seconds(SCAN_MS)))

    async def _funding_hours(self) -> dict[str, int]:
        now = self._clock.now()
        if now - self._hours_at >= HOUR_MS or not self._hours_at:
            self._hours = await self._rest.funding_intervals()
            self._hours_at = now
        return self._hours

    def _settlement_due(self, held: SymbolDerivatives) -> bool:
        newest = held.funding.newest()
        hours = held.interval_hours(self._clock.now()) or 8
        return not newest or self._clock.now() > newest + hours * HOUR_MS + SETTLED_AFTER_MS
