"""Bars that the streams do not bring, over REST: whole windows at the start, single bars at a close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Final

import structlog

from services.fetcher.binance.errors import FeedError, RefusedError, UnknownSymbolError
from services.fetcher.binance.rest import CHEAPEST, BinanceRest
from services.fetcher.budget import BlockedError
from services.fetcher.handler import Coin
from services.fetcher.market import Market
from services.fetcher.window import HELD
from shared.service import Service

FILL_S: Final = 5.0  #: wall time for REST to bring late bars
TOLD_EVERY_S: Final = 0.5  #: how far a load is
LOAD_TRIES: Final = 3  #: of a window, each of which is four of a request
AGAIN: Final = 2  #: held bars that are asked for again: one that was told a moment too early is mended

log = structlog.get_logger()


class Mending:
    """Brings windows up to a close."""

    def __init__(self, service: Service, market: Market, rest: BinanceRest) -> None:
        self._service = service
        self._market = market
        self._rest = rest

    async def load(self) -> None:
        """Fill the windows of the chosen symbols: only what is not held."""
        wanted = self._market.to_load()
        done, began = 0, time.monotonic()
        told = began

        async def load(symbol: str) -> None:
            nonlocal done, told
            await self._load_one(self._market.coins[symbol])
            done += 1
            self._service.beat(f"loading windows {done}/{len(wanted)}")
            now = time.monotonic()
            if now - told >= TOLD_EVERY_S or done == len(wanted):
                told = now
                log.info("loading windows", done=done, of=len(wanted), seconds=round(now - began, 2))

        await asyncio.gather(*(load(symbol) for symbol in wanted))
        self._service.beat()

    async def _load_one(self, coin: Coin) -> None:
        """Fetch what *coin* lacks; one that cannot be had is left to the closes, the others do not wait for it."""
        symbol, tries = coin.instrument.symbol, 0
        while tries < LOAD_TRIES:
            try:
                await self._mend(coin, self._market.last_closed())
                break
            except RefusedError as error:
                coin.absent = "not known to the exchange" if isinstance(error, UnknownSymbolError) else "refused"
                break
            except BlockedError as error:
                await asyncio.sleep(min(5.0, error.seconds))
            except FeedError as error:
                tries += 1
                coin.absent = "not loaded"
                log.warning("a window cannot be loaded", symbol=symbol, error=str(error))
                await asyncio.sleep(1.0)
        self._market.set_loaded(symbol)

    async def _mend(self, coin: Coin, close: int) -> None:
        """Bring the windows of *coin* up to *close*, with the exchange's own bars where they are needed."""
        symbol = coin.instrument.symbol
        lacking = coin.windows.wanted(close)
        fetched = await asyncio.gather(
            *(
                self._rest.klines(symbol, interval, limit=_limit(count), end_time=close)
                for interval, count in lacking.items()
            )
        )
        for (interval, count), bars in zip(lacking.items(), fetched, strict=True):
            self._market.merge(coin, interval, bars, whole=count >= HELD)

    async def fill(self, symbols: Collection[str], close: int, *, patience: float) -> None:
        """Have REST bring the bars of *symbols* up to *close*, for at most *patience* seconds of wall time."""
        market, wanted = self._market, set(symbols)
        market.urgent -= wanted
        suspects, market.suspect = market.suspect & wanted, market.suspect - wanted
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
        """Mend one symbol; *confirm* asks again for its newest bar, which looks wrong."""
        symbol = coin.instrument.symbol
        try:
            await self._mend(coin, close)
            if confirm:
                bars = await self._rest.klines(symbol, "5m", limit=2, end_time=close)
                self._market.merge(coin, "5m", bars, whole=False)
                self._market.suspect.discard(symbol)
        except UnknownSymbolError:
            coin.absent = "not known to the exchange"
        except BlockedError as error:
            coin.absent = error.reason
        except FeedError as error:
            coin.absent = "no answer"
            log.warning("a late bar cannot be had", symbol=symbol, error=str(error))
        self._market.urgent.discard(symbol)


def _limit(lacking: int) -> int:
    """Return how many bars to ask for: some more than are *lacking*, where they cost nothing more."""
    return min(CHEAPEST, lacking + AGAIN) if lacking <= CHEAPEST else min(HELD, lacking)
