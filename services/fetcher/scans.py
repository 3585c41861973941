"""One scan after another: have the bars of a close together, open its scan, aim at the next close."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.fetcher.checks import Checks
from services.fetcher.gathering import Gathering
from services.fetcher.hearing import Hearing
from services.fetcher.market import Market
from services.fetcher.publishing import Publishing
from shared import metrics
from shared.contracts import SCAN_MS
from shared.service import Service

CATCH_UP_MS: Final = 120_000  #: a close older than this is not opened after a start
MOST_BEHIND: Final = 6  #: scans; further behind, the fetcher goes on with the newest

log = structlog.get_logger()


def first_close(newest: int, opened: int, *, late: int, speed: float) -> int:
    """Return the close to begin with: the *newest* one, unless it was *opened* or is *late* by too many ms.

    Where the clock runs fast, or stands, the newest one is never too late.
    """
    skipped = newest <= opened or (speed == 1 and late > CATCH_UP_MS)
    return newest + SCAN_MS if skipped else newest


def next_close(close: int, now: int) -> tuple[int, int]:
    """Return the close after *close*, and how many are skipped because it is too far behind *now*."""
    newest = now - now % SCAN_MS
    behind = (newest - close) // SCAN_MS
    return (newest, behind - 1) if behind > MOST_BEHIND else (close + SCAN_MS, 0)


class Scans:
    """Opens the scans."""

    def __init__(
        self,
        service: Service,
        market: Market,
        *,
        hearing: Hearing,
        gathering: Gathering,
        publishing: Publishing,
        checks: Checks,
    ) -> None:
        self._service = service
        self._market, self._clock = market, market.clock
        self._hearing = hearing
        self._gathering, self._publishing, self._checks = gathering, publishing, checks
        self._checking: set[asyncio.Task[None]] = set()

    async def resume(self) -> None:
        """Finish what an earlier holder began; choose the next close."""
        await self._publishing.finish()
        newest = self._market.last_closed()
        late = self._clock.now() - newest
        self._market.aim(first_close(newest, self._publishing.opened, late=late, speed=self._clock.speed))

    async def follow(self) -> None:
        """Open the next scan when its bars are there, and aim at the one after."""
        close = self._market.next_close
        await self._gathering.bars_of(close)
        await self._open(close)
        self._service.beat()
        following, skipped = next_close(close, self._clock.now())
        if skipped:
            metrics.FEED_FAULTS.labels("scans skipped").inc(skipped)
            log.warning("scans are skipped", count=skipped)
        self._market.aim(following)

    async def _open(self, close: int) -> None:
        began = self._hearing.last_bar_at
        opened = await self._publishing.open(close)
        if opened is None:
            return
        took = time.monotonic() - began if began else 0.0
        metrics.SCAN_OPENING.observe(took)
        log.info(
            "scan",
            scan_id=close,
            symbols=len(opened.symbols),
            missing=len(opened.missing),
            degraded=opened.degraded,
            seconds=round(took, 3),
        )
        task = asyncio.ensure_future(self._checks.after(close))
        self._checking.add(task)
        task.add_done_callback(self._checking.discard)

    async def stop(self) -> None:
        """End what runs beside the scans."""
        for task in self._checking:
            task.cancel()
        await asyncio.gather(*self._checking, return_exceptions=True)
