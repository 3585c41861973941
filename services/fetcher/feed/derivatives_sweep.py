"""The sweep of the futures data and the books, spread over the interval before a close."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import structlog

from services.fetcher.domain.derivatives import HELD_POINTS, PointSeries
from services.fetcher.domain.market_state import Market
from services.fetcher.exchange import BlockedError, Exchange, ExchangeError, RefusedError
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.reference_data import ReferenceData
from shared import metrics
from shared.contracts import SCAN_MS, Floats, MarketInput

FIRST_MS: Final = 75_000  #: after the open: by then the newest points are out
BOOKS_BEFORE_MS: Final = 18_000  #: before the close
BOOKS_SPREAD_MS: Final = 12_000
CALM_MS: Final = 15_000  #: between the last of the futures data and the first book
AT_ONCE: Final = 250  #: symbols; more are swept over three scans

NAP_S: Final = 0.25  #: between two looks for the next close to sweep for
LOCKSTEP_NAP_S: Final = 0.01

Ask = Callable[..., Awaitable[tuple[Floats, Floats]]]
Job = tuple[int, Literal["futures", "book"], str]  #: when it is due, what, of which symbol

log = structlog.get_logger()


def schedule(symbols: Sequence[str], close: int, speed: float) -> list[Job]:
    """Return the requests due before *close*, in order of time.

    The futures data is spread evenly from when its points are out until shortly before the books.
    """
    shares = 3 if len(symbols) > AT_ONCE else 1
    swept = symbols[(close // SCAN_MS) % shares :: shares]
    books_at, first = close - books_before(speed), close - SCAN_MS + FIRST_MS
    step = max(0, books_at - CALM_MS - first) / max(1, len(swept))
    jobs: list[Job] = [(first + int(step * number), "futures", symbol) for number, symbol in enumerate(swept)]
    # in lockstep the clock makes one stop before the close: all books are asked for then
    step = (BOOKS_SPREAD_MS if speed else 0) / max(1, len(symbols))
    return jobs + [(books_at + int(step * number), "book", symbol) for number, symbol in enumerate(symbols)]


def books_before(speed: float) -> int:
    """Return how long before the close the books are asked for, ms: earlier where the clock runs fast."""
    return BOOKS_BEFORE_MS if speed <= 1 else int(min(SCAN_MS * 0.6, BOOKS_BEFORE_MS * speed))


class DerivativesSweep:
    """Asks for contracts, futures data and books, each when it is due."""

    def __init__(
        self,
        market: Market,
        clock: ExchangeClock,
        exchange: Exchange,
        reference: ReferenceData,
        arrivals: asyncio.Event,
    ) -> None:
        self.done_for = 0  #: the scan whose sweep is done
        self._market, self._clock = market, clock
        self._exchange = exchange
        self._reference = reference
        self._asked: set[str] = set()  #: whose futures data was asked for, for the close `_asked_for`
        self._asked_for = 0
        self._arrivals = arrivals

    async def follow(self) -> None:
        """Sweep for the next scan, if that has not been done."""
        close = self._market.next_close
        if self.done_for >= close:
            await asyncio.sleep(
                min(NAP_S, self._clock.wall_seconds(FIRST_MS / 2)) if self._clock.speed else LOCKSTEP_NAP_S
            )
            return
        await self._sweep(close)
        self.done_for = max(self.done_for, close)
        self._arrivals.set()

    async def bring_forward(self) -> int:
        """Ask now for the futures data that the sweep has yet to ask for; return of how many coins.

        The sweep leaves them out then, so a refresh costs nothing of the budget.
        """
        close = self._market.next_close
        if self._clock.now() < close - SCAN_MS + FIRST_MS:
            return 0  # its newest points are not out yet
        jobs = schedule(self._swept(), close, self._clock.speed)
        waiting = [symbol for _, kind, symbol in jobs if kind == "futures" and not self._was_asked(symbol, close)]
        await asyncio.gather(*(self._futures(symbol, close) for symbol in waiting))
        return len(waiting)

    def _swept(self) -> list[str]:
        return [symbol for symbol in self._market.selection.held if symbol in self._market.coins]

    def _was_asked(self, symbol: str, close: int) -> bool:
        return close == self._asked_for and symbol in self._asked

    def _note_asked(self, symbol: str, close: int) -> None:
        if close != self._asked_for:
            self._asked, self._asked_for = set(), close
        self._asked.add(symbol)

    async def _sweep(self, close: int) -> None:
        with contextlib.suppress(ExchangeError, BlockedError):
            await self._reference.refresh_instruments()
        tasks: list[asyncio.Task[None]] = []
        try:
            for due, kind, symbol in schedule(self._swept(), close, self._clock.speed):
                if self._clock.now() < due:
                    await self._clock.until(due)
                job = self._book if kind == "book" else self._futures
                tasks.append(asyncio.ensure_future(job(symbol, close)))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _futures(self, symbol: str, close: int) -> None:
        """Fetch open interest and ratios of *symbol* up to five minutes before *close*."""
        coin = self._market.coins.get(symbol)
        if coin is None or not coin.instrument.tradable or self._was_asked(symbol, close):
            return
        self._note_asked(symbol, close)
        held = coin.derivatives
        kinds: list[tuple[MarketInput, PointSeries, Ask]] = [
            ("open interest", held.open_interest, self._exchange.open_interest),
            ("long/short ratio", held.global_ratio, self._exchange.global_ratio),
            ("top-trader ratio", held.top_ratio, self._exchange.top_ratio),
        ]
        lacking = self._exchange.capabilities.unavailable
        wanted = [(series, ask) for kind, series, ask in kinds if kind not in lacking]
        await asyncio.gather(*(self._series(symbol, series, ask, close) for series, ask in wanted))

    async def _series(self, symbol: str, series: PointSeries, ask: Ask, close: int) -> None:
        lacking = (close - series.newest()) // SCAN_MS + 2
        try:
            series.merge(*await ask(symbol, limit=int(min(HELD_POINTS, max(3, lacking)))))
        except RefusedError:
            metrics.FEED_FAULTS.labels("derivatives refused").inc()
        except (ExchangeError, BlockedError) as error:
            metrics.FEED_FAULTS.labels("derivatives absent").inc()
            log.debug("a series could not be fetched", symbol=symbol, error=str(error))

    async def _book(self, symbol: str, _close: int) -> None:
        coin = self._market.coins.get(symbol)
        lacking = "order book" in self._exchange.capabilities.unavailable
        if coin is None or not coin.instrument.tradable or lacking:
            return
        try:
            coin.depth = await self._exchange.book(symbol)
        except (ExchangeError, BlockedError) as error:
            metrics.FEED_FAULTS.labels("book absent").inc()
            log.debug("a book could not be fetched", symbol=symbol, error=str(error))
