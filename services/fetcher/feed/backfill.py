"""Bars over REST where the streams lack them: whole windows at the start, single bars at a close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Final

import numpy as np
import structlog

from services.fetcher.domain.market_state import Market, newest_close
from services.fetcher.domain.snapshot import Coin
from services.fetcher.exchange import BlockedError, Exchange, ExchangeError, RefusedError, UnknownSymbolError
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.counting import count
from shared.contracts import FULL_BARS, Floats, Interval
from shared.runtime.service import Service

FILL_S: Final = 5.0  #: wall time for REST to bring late bars
PROGRESS_EVERY_S: Final = 0.5  #: between two log lines on a load's progress
LOAD_TRIES: Final = 3  #: of a window, each of which is four of a request
AGAIN: Final = 2  #: held bars that are asked for again, which repairs one that was sent a moment too early

log = structlog.get_logger()


class Backfill:
    """Loads and completes windows up to a close."""

    def __init__(self, service: Service, market: Market, clock: ExchangeClock, exchange: Exchange) -> None:
        self._service = service
        self._market, self._clock = market, clock
        self._exchange = exchange

    async def load(self) -> None:
        """Load the missing bars of the chosen symbols' windows."""
        wanted = self._market.to_load()
        done, began = 0, time.monotonic()
        logged = began

        async def load(symbol: str) -> None:
            nonlocal done, logged
            await self._load_one(self._market.coins[symbol])
            done += 1
            self._service.beat(f"loading windows {done}/{len(wanted)}")
            now = time.monotonic()
            if now - logged >= PROGRESS_EVERY_S or done == len(wanted):
                logged = now
                log.info("loading windows", done=done, of=len(wanted), seconds=round(now - began, 2))

        await asyncio.gather(*(load(symbol) for symbol in wanted))
        self._service.beat()

    async def _load_one(self, coin: Coin) -> None:
        """Fetch the bars that *coin* lacks; after a failure the closes repeat it, and no other coin waits."""
        symbol, tries, market = coin.instrument.symbol, 0, self._market
        while tries < LOAD_TRIES:
            try:
                await self._mend(coin, newest_close(self._clock.now()))
                break
            except RefusedError as error:
                unknown = isinstance(error, UnknownSymbolError)
                market.excuse(coin, "not known to the exchange" if unknown else "refused")
                break
            except BlockedError as error:
                await asyncio.sleep(min(5.0, error.seconds))
            except ExchangeError as error:
                tries += 1
                market.excuse(coin, "not loaded")
                log.warning("a window cannot be loaded", symbol=symbol, error=str(error))
                await asyncio.sleep(1.0)
        count(market.set_loaded(symbol))

    async def _mend(self, coin: Coin, close: int) -> None:
        """Complete the windows of *coin* up to *close*, with the exchange's own bars where they are needed."""
        symbol, cheap = coin.instrument.symbol, self._exchange.capabilities.cheap_request
        lacking = coin.windows.wanted(close)
        fetched = await asyncio.gather(
            *(
                recent_bars(self._exchange, symbol, interval, _limit(lacks, cheap), close)
                for interval, lacks in lacking.items()
            )
        )
        for (interval, lacks), bars in zip(lacking.items(), fetched, strict=True):
            count(self._market.merge(coin, interval, bars, whole=lacks >= FULL_BARS))

    async def fill(self, symbols: Collection[str], close: int, *, patience: float) -> None:
        """Fetch the bars of *symbols* up to *close* over REST, for at most *patience* seconds of wall time."""
        market, wanted = self._market, set(symbols)
        suspects = market.hand_over(wanted)
        tasks = [
            asyncio.ensure_future(self._fill_one(market.coins[symbol], close, confirm=symbol in suspects))
            for symbol in wanted
            if market.loaded(symbol)
        ]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=max(FILL_S, patience))
        finally:
            for task in tasks:
                task.cancel()

    async def _fill_one(self, coin: Coin, close: int, *, confirm: bool) -> None:
        """Repair one symbol; *confirm* asks again for its newest bar, which looks wrong."""
        symbol, market = coin.instrument.symbol, self._market
        try:
            await self._mend(coin, close)
            if confirm:
                bars = await self._exchange.bars(symbol, "5m", limit=2, end_time=close)
                count(market.merge(coin, "5m", bars, whole=False))
                market.confirm(symbol)
        except UnknownSymbolError:
            market.excuse(coin, "not known to the exchange")
        except BlockedError as error:
            market.excuse(coin, error.reason)
        except ExchangeError as error:
            market.excuse(coin, "no answer")
            log.warning("a late bar could not be fetched", symbol=symbol, error=str(error))
        market.mended(symbol)


async def recent_bars(exchange: Exchange, symbol: str, interval: Interval, wanted: int, close: int) -> Floats:
    """Return the newest *wanted* bars that had closed at *close*, shape (8, n), by as many requests as it takes.

    Fewer come where the exchange's history ends.
    """
    longest, depth = exchange.capabilities.longest_request, exchange.capabilities.history_bars
    lacking = wanted if depth is None else min(wanted, depth)
    limit = min(lacking, longest)
    parts = [await exchange.bars(symbol, interval, limit=limit, end_time=close)]
    while (lacking := lacking - limit) > 0 and parts[0].shape[1] >= limit:
        limit = min(lacking, longest)
        parts.insert(0, await exchange.bars(symbol, interval, limit=limit, end_time=int(parts[0][0, 0])))
    return np.concatenate(parts, axis=1)


def _limit(lacking: int, cheap: int) -> int:
    """Return how many bars to ask for: some more than are *lacking*, where they cost nothing more."""
    return min(cheap, lacking + AGAIN) if lacking <= cheap else min(FULL_BARS, lacking)
