"""Higher bars, aggregated here, compared with the exchange's own."""

from __future__ import annotations

from typing import Final

import structlog

from services.fetcher.binance.errors import FeedError
from services.fetcher.binance.rest import CHEAPEST, BinanceRest
from services.fetcher.budget import BlockedError
from services.fetcher.handler import Coin
from services.fetcher.market import Market
from services.fetcher.window import HELD
from shared import metrics
from shared.contracts import SCAN_MS, Interval

SCANS_AN_HOUR: Final = 12

log = structlog.get_logger()


class Checks:
    """Each scan has its twelfth of the symbols."""

    def __init__(self, market: Market, rest: BinanceRest) -> None:
        self._market = market
        self._rest = rest

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
            own = await self._rest.klines(symbol, interval, limit=CHEAPEST, end_time=close)
            if differing := coin.windows.compare(interval, own):
                log.warning("higher bars differed", symbol=symbol, interval=interval, count=differing)
                metrics.FEED_FAULTS.labels("higher bar differed").inc(differing)
                five = await self._rest.klines(symbol, "5m", limit=HELD, end_time=close)
                self._market.merge(coin, "5m", five, whole=False)
        except (FeedError, BlockedError) as error:
            log.debug("a check has to wait", symbol=symbol, error=str(error))
        coin.windows.forget_old_doubts(close)
