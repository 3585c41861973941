"""The active fetcher: holds the market's windows, sweeps the futures data, opens the scans."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import structlog
from redis.exceptions import RedisError

from services.fetcher import handler
from services.fetcher.binance.rest import BinanceRest, FeedError, RefusedError, UnknownSymbolError
from services.fetcher.binance.stream import Listener, Streams
from services.fetcher.budget import BlockedError, Ledger
from services.fetcher.clock import ExchangeClock
from services.fetcher.derivatives import HELD_POINTS, SETTLEMENTS, Mark, Series, SymbolDerivatives
from services.fetcher.handler import Coin
from services.fetcher.sentiment import FearAndGreed
from services.fetcher.universe import Instrument, Selection, select
from services.fetcher.windows import HELD, WICK, SymbolWindows, Taken
from shared import metrics
from shared.bus import Commit, CommitResult, Lease, LeaseLost, RedisBus, StateChange
from shared.contracts import (
    INTERVALS,
    SCAN_MS,
    Floats,
    Interval,
    MarketSnapshot,
    Message,
    PriceTick,
    Stream,
)
from shared.service import Service

NAME: Final = "fetcher"
HOUR_MS: Final = 3_600_000
FIRST_SWEEP_MS: Final = 75_000  #: after the open: by then the newest points are out
DEPTH_BEFORE_MS: Final = 18_000  #: before the close
DEPTH_SPREAD_MS: Final = 12_000
CALM_MS: Final = 15_000  #: between the last of the sweep and the first book
SWEPT_AT_ONCE: Final = 250  #: symbols; more are swept over three scans
CATCH_UP_MS: Final = 120_000  #: a close older than this is not opened after a start
MOST_BEHIND: Final = 6  #: scans; further behind, the fetcher goes on with the newest
PUBLISHED_AT_ONCE: Final = 16
CHECK_LIMIT: Final = 99  #: bars of a check, for a weight of 1
POLL_MS: Final = 5_000  #: prices over REST
FILL_S: Final = 5.0  #: wall time for REST to bring late bars

log = structlog.get_logger()


class Fetcher(Listener):
    """All that the active fetcher holds and does while it has the lease."""

    def __init__(self, service: Service, bus: RedisBus, lease: Lease) -> None:
        environment = service.environment
        self.service = service
        self.bus = bus
        self.lease = lease
        self.clock = ExchangeClock(environment.clock_speed)
        self.ledger = Ledger(bus, self.clock, lambda: self.feed.budget_share)
        self.rest = BinanceRest(environment.binance_rest_url, self.ledger, self.clock)
        self.streams = Streams(environment.binance_ws_url, self)
        self.sentiment = FearAndGreed(environment.fear_greed_url)
        self.instruments: dict[str, Instrument] = {}
        self.selection = Selection(())
        self.coins: dict[str, Coin] = {}
        self.latest_prices: dict[str, float] = {}
        self.next_close = 0
        self.swept = 0  #: the scan whose sweep is done
        self.waiting: set[str] = set()  #: symbols whose bar of the next close is not in
        self.urgent: set[str] = set()  #: of those, whose windows REST has to mend
        self.suspect: set[str] = set()  #: symbols whose newest bar REST has to confirm
        self.misses: Counter[str] = Counter()  #: closes in a row that a stream did not bring
        self._early: dict[str, list[Floats]] = {}  #: bars that came before their window was loaded
        self._loaded: set[str] = set()
        self._moved = asyncio.Event()
        self._ticks: deque[PriceTick] = deque(maxlen=600)
        self._tick_ready = asyncio.Event()
        self._last_tick = 0
        self._last_ticker_event = 0
        self._last_bar_at = 0.0
        self._state_version = 0
        self._first_entry = ""
        self._wanted: Any = (service.settings.settings.universe, self.feed.rest_only)
        self._background: set[asyncio.Task[None]] = set()
        self._hours: dict[str, int] = {}  #: funding intervals that the exchange lists
        self._hours_at = self._polled = self._marks_polled = self._universe_at = 0

    @property
    def feed(self) -> Any:
        """The feed's settings of now."""
        return self.service.settings.settings.feed

    # ---- hearing -------------------------------------------------------------------------------

    def closed_bar(self, symbol: str, bar: Floats, event_time: int) -> None:
        """Take a bar from the streams."""
        coin = self.coins.get(symbol)
        if coin is not None:
            if symbol in self._loaded:
                self._take(coin, bar)
            else:
                self._early.setdefault(symbol, []).append(bar)
        self._last_bar_at = time.monotonic()
        self.clock.observe(event_time)
        self._moved.set()

    def prices(self, event_time: int, prices: dict[str, float]) -> None:
        """Take last prices; those far beyond the mark price are left out."""
        for symbol, price in prices.items():
            instrument = self.instruments.get(symbol)
            if instrument is None or not instrument.tradable:
                self.latest_prices.pop(symbol, None)
            elif self._plausible(symbol, price):
                self.latest_prices[symbol] = price
        self._last_ticker_event = max(self._last_ticker_event, event_time)
        if event_time >= self._last_tick + 1_000 and self.latest_prices:
            self._last_tick = event_time
            self._ticks.append(PriceTick(at=event_time, prices=dict(self.latest_prices)))
            self._tick_ready.set()
        self.clock.observe(event_time)
        self._moved.set()

    def marks(self, event_time: int, marks: dict[str, Mark]) -> None:
        """Take mark prices and the running funding rates."""
        for symbol, coin in self.coins.items():
            if (mark := marks.get(symbol)) is not None:
                coin.derivatives.observe(mark)
        self.clock.observe(event_time)
        self._moved.set()

    def _plausible(self, symbol: str, price: float) -> bool:
        coin = self.coins.get(symbol)
        if coin is None or not coin.derivatives.marks:
            return True
        mark = coin.derivatives.marks[-1].price
        if mark * (1 - WICK) <= price <= mark / (1 - WICK):
            return True
        metrics.FEED_FAULTS.labels("price far from mark").inc()
        return False

    def _take(self, coin: Coin, bar: Floats) -> Taken:
        symbol = coin.instrument.symbol
        taken = coin.windows.take(bar, coin.derivatives.mark_range(int(bar[0])))
        metrics.FEED_BARS.labels(taken).inc()
        if taken in {Taken.GAP, Taken.NOT_FINITE, Taken.INCONSISTENT}:
            self.urgent.add(symbol)
            coin.absent = str(taken)
        elif taken is Taken.QUARANTINED:
            self.suspect.add(symbol)
        if coin.windows.last_close >= self.next_close:
            self.waiting.discard(symbol)
            coin.absent = ""
        return taken

    # ---- the run -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until the lease is lost or the service stops."""
        await self.rest.open()
        try:
            await self._begin()
            jobs = (self._scans, self._sweeps, self._publish_ticks, self._watch, self._fundings, self._keep_house)
            async with asyncio.TaskGroup() as group:
                for job in jobs:
                    group.create_task(self._kept_up(job))
        except* LeaseLost:
            log.warning("the lease is lost")
        finally:
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            await self.streams.close()
            await self.rest.close()

    async def _kept_up(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run *job* for ever; what the exchange or the bus fail in is waited out."""
        while not self.service.stopping.is_set():
            try:
                await job()
            except (FeedError, BlockedError, RedisError, OSError) as error:
                log.warning("a part of the feed has to wait", part=job.__name__, error=str(error))
                await self.service.pause(1.0)

    async def _begin(self) -> None:
        """Learn time, contracts and universe; fill the windows; listen."""
        state = await self.bus.load_state(NAME)
        self._state_version = state.version
        self._first_entry = state.fields.get("first", b"").decode()
        await self.ledger.remembered_ban()
        await self._until_given("the exchange's clock", self._learn_time)
        await self._until_given("the contracts", self._refresh_universe)
        await self._restore(self._first_entry)
        if not self.feed.rest_only:
            await self.streams.hold(self.selection.held)
        await self._load(self.selection.held)
        await self._resume(state.fields)

    async def _until_given(self, what: str, ask: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await ask()
            except (FeedError, BlockedError) as error:
                self.service.beat(f"{what}: {error}")
                log.warning("the exchange does not give what is needed", what=what, error=str(error))
                await asyncio.sleep(min(5.0, getattr(error, "seconds", 1.0)))

    async def _learn_time(self) -> None:
        """Ask for the time; where that is not served, the price list's stamps have to do."""
        try:
            self.clock.synchronise(await self.rest.server_time())
        except FeedError:
            stamp, _ = await self.rest.prices()
            self.clock.synchronise(stamp)

    async def _refresh_universe(self) -> None:
        """Choose the coins anew, by the volumes of now."""
        await self._refresh_instruments()
        volumes = await self.rest.volumes()
        wanted = self.service.settings.settings.universe
        self.selection = select(self.instruments, volumes, wanted, self.clock.now(), self.selection.symbols)
        for symbol in self.selection.held:
            if symbol in self.instruments and symbol not in self.coins:
                self.coins[symbol] = Coin(self.instruments[symbol], SymbolWindows(symbol))
        log.info("universe", symbols=len(self.selection.symbols))

    async def _refresh_instruments(self) -> None:
        """Take tick sizes, states and new contracts from exchangeInfo."""
        self.instruments = await self.rest.instruments()
        for reason in (found.unknown for found in self.instruments.values() if found.unknown):
            metrics.FEED_FAULTS.labels(f"unknown {reason}").inc()
        for symbol, coin in self.coins.items():
            if symbol not in self.instruments or not self.instruments[symbol].tradable:
                coin.absent = "not trading"
                self.latest_prices.pop(symbol, None)
            if symbol in self.instruments:
                coin.instrument = self.instruments[symbol]

    async def _restore(self, first: str) -> None:
        """Take up the windows that the newest snapshots on the bus hold."""
        if not first:
            return
        restored: set[str] = set()
        for symbol, kept in (await self._newest_snapshots(first)).items():
            coin = self.coins.get(symbol)
            if coin is None:
                continue
            closed = {
                interval: bars.matrix[:, bars.matrix[0] + INTERVALS[interval] <= kept.scan_id]
                for interval, bars in kept.bars.items()
                if interval in INTERVALS
            }
            coin.windows.load(closed)
            coin.derivatives.restore(kept.derivatives)
            if "quarantined" in kept.problems:
                coin.windows.distrusted[kept.scan_id - SCAN_MS] = "restored"
            coin.depth = kept.depth
            restored.add(symbol)
        log.info("windows restored from the bus", symbols=len(restored))

    async def _newest_snapshots(self, first: str) -> dict[str, MarketSnapshot]:
        milliseconds, _, sequence = first.partition("-")
        after = f"{milliseconds}-{int(sequence) - 1}" if int(sequence) else f"{int(milliseconds) - 1}-{2**64 - 1}"
        found: dict[str, MarketSnapshot] = {}
        while page := await self.bus.tail({Stream.SNAPSHOTS: after}, count=64, block_ms=0):
            for _, entry_id, message in page:
                after = entry_id
                if isinstance(message, MarketSnapshot):
                    found[message.symbol] = message
            await asyncio.sleep(0)
        return found

    async def _load(self, symbols: Iterable[str]) -> None:
        """Fill the windows of *symbols*: only what is not held."""
        wanted = [symbol for symbol in symbols if symbol in self.coins and symbol not in self._loaded]
        done, began = 0, time.monotonic()

        async def load(symbol: str) -> None:
            nonlocal done
            await self._load_one(self.coins[symbol])
            done += 1
            self.service.beat(f"loading windows {done}/{len(wanted)}")
            if done % 25 == 0 or done == len(wanted):
                log.info("loading windows", done=done, of=len(wanted), seconds=round(time.monotonic() - began, 2))

        await asyncio.gather(*(load(symbol) for symbol in wanted))
        self.service.beat()

    async def _load_one(self, coin: Coin) -> None:
        """Fetch what *coin* lacks until it is whole, or its exchange does not give it."""
        symbol = coin.instrument.symbol
        while True:
            try:
                await self._mend(coin, self._last_closed())
                break
            except RefusedError as error:
                coin.absent = "not known to the exchange" if isinstance(error, UnknownSymbolError) else "refused"
                break
            except (FeedError, BlockedError) as error:
                coin.absent = "not loaded"
                log.warning("a window cannot be loaded", symbol=symbol, error=str(error))
                await asyncio.sleep(min(5.0, getattr(error, "seconds", 1.0)))
        self._loaded.add(symbol)
        for bar in self._early.pop(symbol, []):
            self._take(coin, bar)

    def _last_closed(self) -> int:
        now = self.clock.now()
        return now - now % SCAN_MS

    async def _mend(self, coin: Coin, close: int) -> None:
        """Bring the windows of *coin* up to *close*, with the exchange's own bars where they are needed."""
        symbol = coin.instrument.symbol
        lacking = coin.windows.wanted(close)
        fetched = await asyncio.gather(
            *(
                self.rest.klines(symbol, interval, limit=max(1, min(HELD, count)), end_time=close)
                for interval, count in lacking.items()
            )
        )
        for (interval, count), bars in zip(lacking.items(), fetched, strict=True):
            self._merge(coin, interval, bars, whole=count >= HELD)

    def _merge(self, coin: Coin, interval: Interval, bars: Floats, *, whole: bool) -> None:
        if whole and bars.shape[1]:
            coin.windows.load({interval: bars})
        elif interval == "5m":
            for column in range(bars.shape[1]):
                self._take(coin, bars[:, column])
        else:
            coin.windows.adopt(interval, bars)
        if interval == "5m" and coin.windows.last_close >= self.next_close:
            self.waiting.discard(coin.instrument.symbol)

    async def _resume(self, fields: Any) -> None:
        """Say again what an earlier holder may not have finished saying; choose the next close."""
        opened = int(fields.get("scan", b"0"))
        if opened and int(fields.get("published", b"0")) < opened:
            symbols = msgspec.msgpack.decode(fields.get("symbols", b"\x90"), type=list[str])
            await self._publish_snapshots(opened, [symbol for symbol in symbols if symbol in self.coins])
        close = self._last_closed()
        late = self.clock.now() - close
        skip = close <= opened or (self.clock.speed == 1 and late > CATCH_UP_MS)
        self._aim(close + SCAN_MS if skip else close)

    def _aim(self, close: int) -> None:
        """Make *close* the next scan; coins that left the universe are let go between two scans."""
        self.next_close = close
        for symbol in set(self.coins) - set(self.selection.held):
            del self.coins[symbol]
            self._loaded.discard(symbol)
        self.waiting = {
            symbol
            for symbol in self.selection.held
            if symbol in self.coins
            and self.coins[symbol].windows.last_close < close
            and self.coins[symbol].absent != "not trading"
        }
        self.urgent.clear()

    # ---- scans ---------------------------------------------------------------------------------

    async def _scans(self) -> None:
        """Open one scan after another."""
        close = self.next_close
        await self._until(lambda: self.clock.now() >= close or not self.waiting)
        await self._gather_bars(close)
        await self._open(close)
        self.service.beat()
        behind = (self.clock.now() - close) // SCAN_MS
        if behind > MOST_BEHIND:
            metrics.FEED_FAULTS.labels("scans skipped").inc(behind - 1)
            log.warning("scans are skipped", count=behind - 1)
        self._aim(self._last_closed() if behind > MOST_BEHIND else close + SCAN_MS)

    async def _until(self, reached: Callable[[], bool], deadline: float = float("inf")) -> None:
        """Return when *reached* or at the *deadline* (monotonic); beats while it waits."""
        while not reached() and (rest := deadline - time.monotonic()) > 0:
            self._moved.clear()
            self.service.beat(f"exchange: {self.ledger.blocked}" if self.ledger.blocked else "")
            nap = min(rest, 0.25, self.clock.wall_seconds(self.next_close - self.clock.now()) + 0.005)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), max(0.01, nap))

    async def _gather_bars(self, close: int) -> None:
        """Wait for the bars of *close* and its sweep; have REST bring what is late."""
        deadline = time.monotonic() + self.feed.grace_seconds
        if self.feed.rest_only:
            await self._fill(set(self.waiting), close)

        def complete() -> bool:
            return not self.waiting and self.swept >= close and not self.suspect

        while not complete() and time.monotonic() < deadline:
            await self._until(lambda: complete() or bool(self.urgent or self.suspect), deadline)
            if self.urgent or self.suspect:
                await self._fill(self.urgent | self.suspect, close)
        if self.waiting:
            late = set(self.waiting)
            await self._fill(late, close)
            self._judge_streams(late)
        else:
            self.misses.clear()

    def _judge_streams(self, late: set[str]) -> None:
        """Replace the sockets of streams that were silent at two closes in a row, or all at once."""
        if self.feed.rest_only:
            return
        self.misses = Counter({symbol: self.misses[symbol] + 1 for symbol in late})
        metrics.FEED_FAULTS.labels("late bar").inc(len(late))
        repeated = [symbol for symbol, times in self.misses.items() if times >= 2]
        if len(late) > len(self.selection.held) / 2:
            repeated = list(late)
        if repeated:
            self.streams.silent(repeated, "streams silent")
            self.misses.clear()

    async def _fill(self, symbols: set[str], close: int) -> None:
        """Have REST bring the bars of *symbols* up to *close*."""
        self.urgent -= symbols
        suspects, self.suspect = self.suspect & symbols, self.suspect - symbols
        tasks = [
            asyncio.ensure_future(self._fill_one(self.coins[symbol], close, confirm=symbol in suspects))
            for symbol in symbols
            if symbol in self.coins and symbol in self._loaded
        ]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=max(FILL_S, self.feed.grace_seconds))
        finally:
            for task in tasks:
                task.cancel()

    async def _fill_one(self, coin: Coin, close: int, *, confirm: bool) -> None:
        """Mend one symbol; *confirm* asks again for its newest bar, which looks wrong."""
        symbol = coin.instrument.symbol
        try:
            await self._mend(coin, close)
            if confirm:
                bars = await self.rest.klines(symbol, "5m", limit=2, end_time=close)
                self._merge(coin, "5m", bars, whole=False)
                self.suspect.discard(symbol)
        except UnknownSymbolError:
            coin.absent = "not known to the exchange"
        except BlockedError as error:
            coin.absent = error.reason
        except FeedError as error:
            coin.absent = "no answer"
            log.warning("a late bar cannot be had", symbol=symbol, error=str(error))
        self.urgent.discard(symbol)

    async def _open(self, close: int) -> None:
        """Publish the scan: its opening first, under the lease, then its snapshots."""
        began = self._last_bar_at
        opened = handler.open_scan(
            self.coins,
            self.selection.symbols,
            close,
            settings_version=self.service.settings.version,
            now=self.clock.now(),
            degraded="" if self.clock.known else "clock",
        )
        fields: dict[str, bytes | None] = {
            "scan": str(close).encode(),
            "symbols": msgspec.msgpack.encode(list(opened.symbols)),
        }
        if not await self._commit(fields, [(Stream.SCANS, opened)], close):
            return
        await self._publish_snapshots(close, opened.symbols)
        metrics.SCAN_OPENING.observe(time.monotonic() - began if began else 0.0)
        log.info(
            "scan",
            scan_id=close,
            symbols=len(opened.symbols),
            missing=len(opened.missing),
            degraded=opened.degraded,
        )
        self._spawn(self._check_windows(close))

    async def _commit(
        self, fields: dict[str, bytes | None], outputs: Sequence[tuple[Stream, Message]], close: int
    ) -> bool:
        """Commit under the lease; False when another holder has opened this scan already."""
        change = StateChange(NAME, self._state_version, fields)
        result = await self.bus.commit(Commit(outputs=outputs, state=change, lease=self.lease))
        if result is CommitResult.COMMITTED:
            self._state_version += 1
            return True
        # an answer may have been lost on the way: then the state says that it was done
        state = await self.bus.load_state(NAME)
        if not await self.bus.renew(self.lease, ttl_ms=9_000):
            raise LeaseLost(NAME)
        self._state_version = state.version
        if int(state.fields.get("scan", b"0")) >= close and outputs:
            return int(state.fields.get("published", b"0")) < close
        return await self._commit(fields, outputs, close)

    async def _publish_snapshots(self, scan_id: int, symbols: Sequence[str]) -> None:
        self._first_entry = ""
        bitcoin = handler.bitcoin_bars(self.coins, scan_id)
        depth_ms = handler.DEPTH_MS if self.clock.speed <= 1 else SCAN_MS
        for start in range(0, len(symbols), PUBLISHED_AT_ONCE):
            batch = [
                handler.snapshot(
                    self.coins[symbol],
                    bitcoin,
                    scan_id,
                    settings_version=self.service.settings.version,
                    sentiment=self.sentiment.newest,
                    depth_ms=depth_ms,
                )
                for symbol in symbols[start : start + PUBLISHED_AT_ONCE]
            ]
            # the gatekeeper trims behind what it has settled; the bus bounds the rest
            ids = await self.bus.publish(Stream.SNAPSHOTS, batch, lease=self.lease)
            self._first_entry = self._first_entry or ids[0]
        fields: dict[str, bytes | None] = {"published": str(scan_id).encode()}
        if self._first_entry:
            fields["first"] = self._first_entry.encode()
        await self._commit(fields, [], scan_id)

    # ---- the sweep of the futures data -----------------------------------------------------------

    async def _sweeps(self) -> None:
        """Sweep derivatives and books for the next scan, as its interval goes by."""
        close = self.next_close
        if self.swept >= close:
            await asyncio.sleep(0.01)
            return
        await self._sweep(close)
        self.swept = max(self.swept, close)
        self._moved.set()

    async def _sweep(self, close: int) -> None:
        """Ask for contracts, futures data and books, each when it is due."""
        with contextlib.suppress(FeedError, BlockedError):
            await self._refresh_instruments()
        symbols = [symbol for symbol in self.selection.held if symbol in self.coins]
        shares = 3 if len(symbols) > SWEPT_AT_ONCE else 1
        turn = (close // SCAN_MS) % shares
        swept = [symbol for number, symbol in enumerate(symbols) if number % shares == turn]
        books_at = close - self._depth_before()
        first = close - SCAN_MS + FIRST_SWEEP_MS
        step = max(0, books_at - CALM_MS - first) / max(1, len(swept))
        jobs = [(first + int(step * number), self._sweep_one, symbol) for number, symbol in enumerate(swept)]
        # in lockstep the clock makes one stop before the close: all books are asked for then
        step = (DEPTH_SPREAD_MS if self.clock.speed else 0) / max(1, len(symbols))
        jobs += [(books_at + int(step * number), self._book, symbol) for number, symbol in enumerate(symbols)]
        tasks: list[asyncio.Task[None]] = []
        try:
            for due, job, symbol in jobs:
                if self.clock.now() < due:
                    await self.clock.until(due)
                tasks.append(asyncio.ensure_future(job(symbol, close)))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def _depth_before(self) -> int:
        """Return how long before the close the books are asked for: earlier where the clock runs fast."""
        return DEPTH_BEFORE_MS if self.clock.speed <= 1 else int(min(SCAN_MS * 0.6, DEPTH_BEFORE_MS * self.clock.speed))

    async def _sweep_one(self, symbol: str, close: int) -> None:
        """Bring open interest and ratios of *symbol* up to five minutes before *close*."""
        coin = self.coins.get(symbol)
        if coin is None or not coin.instrument.tradable:
            return
        held = coin.derivatives
        kinds: list[tuple[Series, Callable[..., Awaitable[tuple[Floats, Floats]]]]] = [
            (held.open_interest, self.rest.open_interest),
            (held.global_ratio, self.rest.global_ratio),
            (held.top_ratio, self.rest.top_ratio),
        ]
        await asyncio.gather(*(self._sweep_series(symbol, series, ask, close) for series, ask in kinds))

    async def _sweep_series(
        self, symbol: str, series: Series, ask: Callable[..., Awaitable[tuple[Floats, Floats]]], close: int
    ) -> None:
        lacking = (close - series.newest()) // SCAN_MS + 2
        try:
            series.merge(*await ask(symbol, limit=int(min(HELD_POINTS, max(3, lacking)))))
        except RefusedError:
            metrics.FEED_FAULTS.labels("derivatives refused").inc()
        except (FeedError, BlockedError) as error:
            metrics.FEED_FAULTS.labels("derivatives absent").inc()
            log.debug("a series cannot be had", symbol=symbol, error=str(error))

    async def _book(self, symbol: str, close: int) -> None:
        coin = self.coins.get(symbol)
        if coin is None or not coin.instrument.tradable:
            return
        try:
            coin.depth = await self.rest.depth(symbol, estimated="depth" in coin.instrument.estimated)
        except (FeedError, BlockedError) as error:
            metrics.FEED_FAULTS.labels("book absent").inc()
            log.debug("a book cannot be had", symbol=symbol, error=str(error))

    async def _fundings(self) -> None:
        """Keep settlements and intervals: at the start, and after each settlement."""
        hours = await self._funding_hours()
        for symbol, coin in list(self.coins.items()):
            coin.derivatives.listed_hours = hours.get(symbol)
            if self._funding_due(coin.derivatives):
                with contextlib.suppress(RefusedError):
                    coin.derivatives.funding.merge(*await self.rest.funding_rates(symbol, limit=SETTLEMENTS))
        await asyncio.sleep(max(1.0, self.clock.wall_seconds(SCAN_MS)))

    async def _funding_hours(self) -> dict[str, int]:
        now = self.clock.now()
        if now - self._hours_at >= HOUR_MS or not self._hours_at:
            self._hours = await self.rest.funding_intervals()
            self._hours_at = now
        return self._hours

    def _funding_due(self, held: SymbolDerivatives) -> bool:
        newest = held.funding.newest()
        hours = held.interval_hours(self.clock.now()) or 8
        return not newest or self.clock.now() > newest + hours * HOUR_MS + 60_000

    # ---- ticks, checks, watching -----------------------------------------------------------------

    async def _publish_ticks(self) -> None:
        await self._tick_ready.wait()
        self._tick_ready.clear()
        while self._ticks:
            await self.bus.publish(Stream.TICKS, [self._ticks[0]], lease=self.lease)
            self._ticks.popleft()

    async def _check_windows(self, close: int) -> None:
        """Compare higher bars with the exchange's own: 15m hourly, 1h and 4h in turn every six hours.

        Each scan has its twelfth of the symbols.  15m bars of a day show every five-minute bar that
        was revised, and those make up the longer ones.
        """
        turn, part = divmod(close // SCAN_MS, 12)
        for number, symbol in enumerate(self.selection.held):
            if number % 12 != part or symbol not in self._loaded or symbol not in self.coins:
                continue
            await self._check_one(self.coins[symbol], "15m", close)
            if (turn + number // 12) % 6 == 0:
                longer: Interval = "1h" if (turn + number // 12) % 12 else "4h"
                await self._check_one(self.coins[symbol], longer, close)

    async def _check_one(self, coin: Coin, interval: Interval, close: int) -> None:
        symbol = coin.instrument.symbol
        try:
            bars = await self.rest.klines(symbol, interval, limit=CHECK_LIMIT, end_time=close)
            if differing := coin.windows.adopt(interval, bars):
                log.warning("higher bars differed", symbol=symbol, interval=interval, count=differing)
                metrics.FEED_FAULTS.labels("higher bar differed").inc(differing)
                five = await self.rest.klines(symbol, "5m", limit=HELD, end_time=close)
                self._merge(coin, "5m", five, whole=False)
        except (FeedError, BlockedError) as error:
            log.debug("a check has to wait", symbol=symbol, error=str(error))
        coin.windows.forget_old_doubts(close)

    async def _watch(self) -> None:
        """Poll what the streams do not bring; replace streams that went silent."""
        metrics.FEED_AGE.set(self.clock.silent_seconds)
        if self.feed.rest_only or self._tickers_are_silent():
            await self._poll()
        await asyncio.sleep(max(0.2, min(1.0, self.clock.wall_seconds(POLL_MS))))

    def _tickers_are_silent(self) -> bool:
        # in lockstep nothing is sent between the steps: silence says nothing
        longest = 10.0 if self.clock.speed else float("inf")
        silent = [batch for batch in self.streams.batches if not batch.up or batch.silent_seconds > longest]
        if not self.streams.batches or not silent:
            return False
        for batch in silent if self.clock.speed else ():
            if batch.silent_seconds > max(10.0, self.clock.wall_seconds(self.feed.stale_seconds * 1_000)):
                batch.replace("socket silent")
        return silent[0] is self.streams.batches[0]

    async def _poll(self) -> None:
        """Ask for prices and, where they are old, for mark prices; both tell the time as well."""
        now = self.clock.now()
        if now - self._polled < POLL_MS and self.clock.speed:
            return
        self._polled = now
        if not self.clock.speed:
            self.clock.synchronise(await self.rest.server_time(), silence_s=0.5)
        stamp, prices = await self.rest.prices()
        if stamp > self._last_ticker_event:
            self.prices(stamp, prices)
        else:
            self.clock.synchronise(await self.rest.server_time())
        if now - self._marks_polled >= SCAN_MS - POLL_MS:
            self._marks_polled = now
            rows = await self.rest.premiums()
            found = {
                row.symbol: Mark(row.time, row.markPrice, row.indexPrice, row.rate, row.nextFundingTime) for row in rows
            }
            self.marks(max(row.time for row in rows), found)

    async def _keep_house(self) -> None:
        """Refresh the universe hourly and when its settings change, the sentiment when it is due."""
        now = self.clock.now()
        if not self._universe_at:
            self._universe_at = now
        await self.sentiment.refresh()
        wanted = self.service.settings.settings.universe, self.feed.rest_only
        if now - self._universe_at >= HOUR_MS or wanted != self._wanted:
            self._universe_at, self._wanted = now, wanted
            await self._renew_universe()
        await self.service.pause(min(5.0, max(1.0, self.clock.wall_seconds(30_000))))

    async def _renew_universe(self) -> None:
        await self._refresh_universe()
        if self.feed.rest_only:
            await self.streams.close()
        else:
            await self.streams.hold(self.selection.held)
        await self._load(self.selection.held)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
