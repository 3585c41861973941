"""Higher bars, aggregated here, compared with the exchange's own."""

from __future__ import annotations

from typing import Final

import structlog

from services.fetcher.domain.market_state import Market
from services.fetcher.domain.snapshot import Coin
from services.fetcher.exchange import BlockedError, Exchange, ExchangeError
from services.fetcher.feed.backfill import recent_bars
from services.fetcher.feed.counting import count
from shared import metrics
from shared.contracts import FULL_BARS, SCAN_MS, Interval

SCANS_AN_HOUR: Final = 12

log = structlog.get_logger()


class BarAudit:
    """Each scan has its twelfth of the symbols."""

    def __init__(self, market: Market, exchange: Exchange) -> None:
        self._market = market
        self._exchange = exchange

    async def after(self, close: int) -> None:
        """Check a twelfth of the symbols, so that each has its turn hourly.

        The exchange's own 15m bars of a day are compared with all that they make up: 15m, 1h and 4h.
        Its own 1h and 4h bars follow in turn every six hours; asking for all three hourly would cost
        25 weight per five minutes more than the budget has (docs/adr/0008).
        """
        turn, part = divmod(close // SCAN_MS, SCANS_AN_HOUR)
        for number, symbol in enumerate(sorted(self._market.selection.held)):  # by name: volumes change the ranks
            if number % SCANS_AN_HOUR != part or not self._market.loaded(symbol):
                continue
            await self._check(self._market.coins[symbol], "15m", close)
            if (turn + number // SCANS_AN_HOUR) % 6 == 0:
                longer: Interval = "1h" if (turn + number // SCANS_AN_HOUR) % 12 else "4h"
                await self._check(self._market.coins[symbol], longer, close)

    async def _check(self, coin: Coin, interval: Interval, close: int) -> None:
        symbol = coin.instrument.symbol
        try:
            limit = self._exchange.capabilities.cheap_request
            own = await self._exchange.bars(symbol, interval, limit=limit, end_time=close)
            if differing := coin.windows.compare(interval, own):
                log.warning("higher bars differed", symbol=symbol, interval=interval, count=differing)
                metrics.FEED_FAULTS.labels("higher bar differed").inc(differing)
                five = await recent_bars(self._exchange, symbol, "5m", FULL_BARS, close)
                count(self._market.merge(coin, "5m", five, whole=False))
        except (ExchangeError, BlockedError) as error:
            log.debug("a check has to wait", symbol=symbol, error=str(error))
        coin.windows.forget_old_doubts(close)
