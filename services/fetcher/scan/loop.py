"""The scan loop: collect the bars of a close, open its scan, go on to the next close."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.fetcher.domain.market_state import Market, newest_close
from services.fetcher.feed.bar_audit import BarAudit
from services.fetcher.feed.bar_collector import BarCollector
from services.fetcher.feed.clock import ExchangeClock
from services.fetcher.feed.listener import MarketListener
from services.fetcher.scan.publisher import ScanPublisher
from shared import metrics
from shared.contracts import SCAN_MS
from shared.runtime.service import Service

CATCH_UP_MS: Final = 120_000  #: a close older than this is not opened after a start
WATCH_S: Final = 3.0  #: between two looks whether a failover took scans back
MOST_BEHIND: Final = 6  #: scans; further behind, the fetcher goes on with the newest

log = structlog.get_logger()


def first_close(newest: int, opened: int, *, late: int, whatever_its_age: bool) -> int:
    """Return the close to begin with: the *newest* one, unless it was *opened* or is *late* by too many ms."""
    skipped = newest <= opened or (late > CATCH_UP_MS and not whatever_its_age)
    return newest + SCAN_MS if skipped else newest


def next_close(close: int, now: int) -> tuple[int, int]:
    """Return the close after *close*, and how many are skipped because it is too far behind *now*."""
    newest = now - now % SCAN_MS
    behind = (newest - close) // SCAN_MS
    return (newest, behind - 1) if behind > MOST_BEHIND else (close + SCAN_MS, 0)


class ScanLoop:
    """Opens the scans."""

    def __init__(
        self,
        service: Service,
        market: Market,
        clock: ExchangeClock,
        *,
        listener: MarketListener,
        collector: BarCollector,
        publisher: ScanPublisher,
        audit: BarAudit,
    ) -> None:
        self._service = service
        self._market, self._clock = market, clock
        self._listener = listener
        self._collector, self._publisher, self._audit = collector, publisher, audit
        self._auditing: set[asyncio.Task[None]] = set()

    async def resume(self) -> None:
        """Finish what an earlier leader began; choose the next close."""
        await self._publisher.finish()
        newest = newest_close(self._clock.now())
        late = self._clock.now() - newest
        # where the clock runs fast, or stands, the newest one is never too old
        always = self._clock.speed != 1 or self._service.environment.judge_last_close
        self._market.aim(first_close(newest, self._publisher.opened, late=late, whatever_its_age=always))

    async def watch_bus(self) -> None:
        """Every few seconds, publish again what a failover of the bus took back."""
        await self._service.pause(WATCH_S)
        await self._publisher.put_back()

    async def follow(self) -> None:
        """Open the next scan when its bars are there, and aim at the one after."""
        close = self._market.next_close
        await self._collector.bars_of(close)
        await self._open(close)
        self._service.beat()
        following, skipped = next_close(close, self._clock.now())
        if skipped:
            metrics.FEED_FAULTS.labels("scans skipped").inc(skipped)
            log.warning("scans are skipped", count=skipped)
        self._market.aim(following)

    async def _open(self, close: int) -> None:
        began = self._listener.last_bar_at
        await self._listener.publish_waiting()  # a signal ends on the prices before the close, then on its bar
        opened = await self._publisher.open(close)
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
        task = asyncio.ensure_future(self._audit.after(close))
        self._auditing.add(task)
        task.add_done_callback(self._auditing.discard)

    async def stop(self) -> None:
        """Stop the audits that run beside the scans."""
        for task in self._auditing:
            task.cancel()
        await asyncio.gather(*self._auditing, return_exceptions=True)
