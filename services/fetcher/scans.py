"""One scan after another: wait for the bars of a close, open the scan under the lease, publish its snapshots."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from services.fetcher import handler
from services.fetcher.binance.streams import Streams
from services.fetcher.checks import Checks
from services.fetcher.hearing import Hearing
from services.fetcher.journal import Journal
from services.fetcher.market import Market
from services.fetcher.mending import Mending
from services.fetcher.sentiment import FearAndGreed
from services.fetcher.sweep import Sweep
from shared import metrics
from shared.bus import Bus, Lease
from shared.contracts import SCAN_MS, ScanOpened, Stream
from shared.service import Service

CATCH_UP_MS: Final = 120_000  #: a close older than this is not opened after a start
MOST_BEHIND: Final = 6  #: scans; further behind, the fetcher goes on with the newest
PUBLISHED_AT_ONCE: Final = 16
NAP_S: Final = 0.25  #: after which a waiter looks again in any case

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
        bus: Bus,
        lease: Lease,
        *,
        market: Market,
        journal: Journal,
        hearing: Hearing,
        streams: Streams,
        sweep: Sweep,
        mending: Mending,
        checks: Checks,
        sentiment: FearAndGreed,
        refused: Callable[[], str],
    ) -> None:
        self._service, self._bus, self._lease = service, bus, lease
        self._market, self._clock = market, market.clock
        self._journal = journal
        self._hearing, self._streams = hearing, streams
        self._sweep, self._mending, self._checks = sweep, mending, checks
        self._sentiment = sentiment
        self._refused = refused  #: why the exchange refuses this address now
        self._misses: Counter[str] = Counter()  #: closes in a row that a stream did not bring
        self._checking: set[asyncio.Task[None]] = set()

    async def resume(self) -> None:
        """Say again what an earlier holder may not have finished saying; choose the next close."""
        opened = self._journal.number("scan")
        if self._journal.number("published") < opened:
            symbols = msgspec.msgpack.decode(self._journal.fields.get("symbols", b"\x90"), type=list[str])
            await self._publish(opened, [symbol for symbol in symbols if symbol in self._market.coins])
        newest = self._market.last_closed()
        self._market.aim(first_close(newest, opened, late=self._clock.now() - newest, speed=self._clock.speed))

    async def follow(self) -> None:
        """Open the next scan when its bars are there, and aim at the one after."""
        close = self._market.next_close
        await self._until(lambda: self._clock.now() >= close or not self._market.waiting)
        await self._gather_bars(close)
        await self._open(close)
        self._service.beat()
        following, skipped = next_close(close, self._clock.now())
        if skipped:
            metrics.FEED_FAULTS.labels("scans skipped").inc(skipped)
            log.warning("scans are skipped", count=skipped)
        self._market.aim(following)

    async def stop(self) -> None:
        """End what runs beside the scans."""
        for task in self._checking:
            task.cancel()
        await asyncio.gather(*self._checking, return_exceptions=True)

    # ---- bars ----------------------------------------------------------------------------------

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

    async def _gather_bars(self, close: int) -> None:
        """Wait for the bars of *close*, the first time for its sweep as well; have REST bring what is late."""
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

    # ---- saying --------------------------------------------------------------------------------

    async def _open(self, close: int) -> None:
        """Publish the scan: its opening first, under the lease, then its snapshots."""
        began = self._hearing.last_bar_at
        opened = handler.open_scan(
            self._market.coins,
            self._market.selection.symbols,
            close,
            settings_version=self._service.settings.version,
            now=self._clock.now(),
            degraded="" if self._clock.known else "clock",
        )
        if not await self._say(opened):
            return
        await self._publish(close, opened.symbols)
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

    async def _say(self, opened: ScanOpened) -> bool:
        """Commit the opening; return whether its snapshots are to be published by this process."""
        close, journal = opened.scan_id, self._journal
        fields: dict[str, bytes | None] = {
            "scan": str(close).encode(),
            "symbols": msgspec.msgpack.encode(list(opened.symbols)),
        }
        said = await journal.commit(fields, [(Stream.SCANS, opened)], said=lambda: journal.number("scan") >= close)
        return said or journal.number("published") < close

    async def _publish(self, scan_id: int, symbols: Sequence[str]) -> None:
        """Publish the snapshots of *symbols* and note that it was done."""
        bitcoin = handler.bitcoin_bars(self._market.coins, scan_id)
        depth_ms = handler.DEPTH_MS if self._clock.speed <= 1 else SCAN_MS
        first = ""
        for start in range(0, len(symbols), PUBLISHED_AT_ONCE):
            batch = [
                handler.snapshot(
                    self._market.coins[symbol],
                    bitcoin,
                    scan_id,
                    settings_version=self._service.settings.version,
                    sentiment=self._sentiment.newest,
                    depth_ms=depth_ms,
                )
                for symbol in symbols[start : start + PUBLISHED_AT_ONCE]
            ]
            # the gatekeeper trims behind what it has settled; the bus bounds the rest
            ids = await self._bus.publish(Stream.SNAPSHOTS, batch, lease=self._lease)
            first = first or ids[0]
        fields: dict[str, bytes | None] = {"published": str(scan_id).encode()}
        if first:
            fields["first"] = first.encode()
        await self._journal.commit(fields)
