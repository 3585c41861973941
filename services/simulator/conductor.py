"""When which frame goes out: along a running clock, or step by step in lockstep."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from typing import Any, Final

import structlog

from services.simulator.clock_file import KeptClock
from services.simulator.exchange import SimulatedExchange
from services.simulator.faults.faults import first_bar
from services.simulator.instruments import BAR_MS, Contract
from services.simulator.market.tape import CLOSE, COUNT, HIGH, INTERVAL_MS, LOW, OPEN, TAKER, VOLUME, Floats
from services.simulator.protocol import encode
from services.simulator.protocol.rest import RestEndpoints, dead, dead_or
from services.simulator.protocol.streams import Hub
from shared.contracts import HOUR_MS

TICK_WALL_MS: Final = 250  #: !ticker@arr at most this often
OPEN_WALL_S: Final = 1.0  #: frames of open bars at most this often
LATE_MS: Final = 30_000  #: how late a late bar is
SWEEP_MS: Final = 15_000  #: the last moment of a step before the close
STEP_MOMENTS: Final = (60_000, 135_000, 210_000, BAR_MS - SWEEP_MS)
DEPTH_WAIT_S: Final = 10.0
EARLY_MS: Final = 12_000  #: how long before the close an open bar claims to be closed
COIN_MARGINED: Final = ("BTCUSD_PERP", "ETHUSD_PERP")  #: rows of the merged streams that are not USD-M

log = structlog.get_logger()


class Conductor:
    """Sends the frames."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        hub: Hub,
        rest: RestEndpoints,
        kept: KeptClock | None = None,
        *,
        spread: float = 0.0,
    ) -> None:
        self.exchange, self.hub, self.rest, self._kept = exchange, hub, rest, kept
        self.clock, self.faults = exchange.clock, exchange.faults
        self.lags: deque[float] = deque(maxlen=4_096)  #: wall seconds from a close to its last frame queued
        self.closes = 0
        #: by the exchange's clock, from a first closed frame to a last
        self._spread_ms = 1_000 * spread * self.clock.speed
        self._tick_ms = max(1_000, int(self.clock.speed * TICK_WALL_MS))
        self._last_open_frames = 0.0
        self._last_prices: Floats | None = None
        self._late: list[tuple[int, str, str]] = []
        self._claimed = -1
        self._step = asyncio.Lock()
        self._maker: asyncio.Task[None] | None = None
        first = exchange.now() // BAR_MS
        self._closed = first  #: the number of the next bar to close

    @property
    def next_close(self) -> int:
        """The time at which the open bar closes."""
        return (self._closed + 1) * BAR_MS

    @property
    def ended(self) -> bool:
        """Whether the recorded bars have all been closed."""
        return self._beyond_end()

    # along the clock

    async def run(self) -> None:
        """Send ticks and closes as the clock goes, until cancelled or the data ends."""
        next_tick = self.exchange.now() // self._tick_ms * self._tick_ms + self._tick_ms
        while not self.exchange.ended:
            due = min(next_tick, self.next_close, *(late[0] for late in self._late[:1]))
            await asyncio.sleep(self.clock.seconds_until(due))
            now = self.clock.now()
            self._send_late(now)
            while now >= self.next_close and not self._beyond_end():
                self.close_bar(self.clock.now())
                self.lags.append(self.clock.wall_seconds(self.clock.now() - self._closed * BAR_MS))
                await asyncio.sleep(0)
            if self.exchange.tape.runs_short(now) and (self._maker is None or self._maker.done()):
                self._maker = asyncio.ensure_future(asyncio.to_thread(self.exchange.tape.make_ready))
            if now >= next_tick:
                self.tick(self.exchange.now())
                next_tick = self.clock.now() // self._tick_ms * self._tick_ms + self._tick_ms
        log.info("the recorded data has ended", at=self.exchange.now())

    def _beyond_end(self) -> bool:
        end = self.exchange.source.end
        return end is not None and self.next_close > end

    def _send_late(self, now: int) -> None:
        while self._late and self._late[0][0] <= now:
            _, stream, frame = heapq.heappop(self._late)
            self.hub.send(stream, frame)

    # step by step

    async def step(self) -> dict[str, Any]:
        """Go to the next close: ticks along the bar, wait for the depth sweep, then the closed bars."""
        async with self._step:
            if self._beyond_end():
                return {"close": self.exchange.now(), "depth_served": 0, "complete": False, "ended": True}
            close, start = self.next_close, self.next_close - BAR_MS
            self.rest.depth_asked.clear()
            served = self.rest.depth_served
            for moment in STEP_MOMENTS:
                self.clock.jump(start + moment)
                self._send_late(self.clock.now())
                self.tick(self.exchange.now())
                await asyncio.sleep(0)
            complete = await self._depth_swept()
            self.clock.jump(close)
            self.exchange.now()
            self.close_bar(close)
            return {
                "close": close,
                "depth_served": self.rest.depth_served - served,
                "complete": complete,
                "ended": self._beyond_end(),
            }

    async def _depth_swept(self) -> bool:
        """Wait until depth was requested for every symbol whose klines have a subscriber."""
        deadline = time.monotonic() + DEPTH_WAIT_S
        while missing := self._listened_to() - self.rest.depth_asked:
            if time.monotonic() > deadline:
                log.warning("depth was not asked for", symbols=len(missing))
                return False
            await asyncio.sleep(0.005)
        return True

    def _listened_to(self) -> set[str]:
        symbols = {stream.partition("@")[0].upper() for stream in self.hub.streams() if stream.endswith("@kline_5m")}
        return {symbol for symbol in symbols if (known := self.exchange.contract(symbol)) and not dead(known)}

    # frames

    def tick(self, now: int) -> None:
        """Send what is sent between the closes."""
        self.hub.expire()
        if self.faults.get("stale") or self.faults.get("gap-all", "*"):
            return
        self._send_arrays(now)
        self._send_books(now)
        wall = time.monotonic()
        sweeping = now % BAR_MS == BAR_MS - SWEEP_MS
        if sweeping if self.clock.lockstep else wall - self._last_open_frames >= OPEN_WALL_S:
            self._last_open_frames = wall
            for interval in INTERVAL_MS:
                self._send_klines(
                    interval,
                    now // INTERVAL_MS[interval],
                    self.exchange.open_wide(interval, now),
                    event=now,
                    closed=False,
                )
        if now % BAR_MS >= BAR_MS - max(EARLY_MS, SWEEP_MS, self._tick_ms) and self._claimed != self._closed:
            self._claimed = self._closed
            self._claim_closed(now)

    def _send_arrays(self, now: int) -> None:
        wanted = [stream for stream in ("!ticker@arr", "!miniTicker@arr") if self.hub.wanted(stream)]
        contracts = self.exchange.all_contracts() if wanted or self._marks_wanted() else []
        if wanted:
            bars = self.exchange.statistics(now).bar
            changed = self._changed(bars[CLOSE])
            days = bars.T.tolist()
            shown = [contract for contract in contracts if changed[contract.row] and not self._silent(contract)]
            for stream in wanted:
                write = encode.ticker_event if stream == "!ticker@arr" else encode.mini_ticker_event
                rows = [write(contract, dead_or(contract, days[contract.row]), now) for contract in shown]
                rows += [_coin_margined(write(self.exchange.listed[0], days[0], now), name) for name in COIN_MARGINED]
                self.hub.send(stream, "[" + ",".join(rows + self._unknown_event(now)) + "]")
        if self._marks_wanted():
            rows = self._mark_rows(contracts, now)
            for stream in ("!markPrice@arr@1s", "!markPrice@arr"):
                self.hub.send(stream, "[" + ",".join(rows) + "]")

    def _marks_wanted(self) -> bool:
        return self.hub.wanted("!markPrice@arr@1s") or self.hub.wanted("!markPrice@arr")

    def _changed(self, prices: Floats) -> list[bool]:
        """Return which rows' prices are not what they were in the last frame."""
        last, self._last_prices = self._last_prices, prices
        return [True] * len(prices) if last is None else (last != prices).tolist()

    def _unknown_event(self, now: int) -> list[str]:
        return [f'{{"e":"tideTable","E":{now},"s":"BTCUSDT","z":[]}}'] if self.faults.get("unknown-enum") else []

    def _mark_rows(self, contracts: list[Contract], now: int) -> list[str]:
        marks, indices, funding = (
            values.tolist()
            for values in (self.exchange.prices(now), self.exchange.index_prices(now), self.exchange.funding(now))
        )
        form = '{"e":"markPriceUpdate","E":%d,"s":%s,"p":"%.8f","i":"%.8f","P":"%.8f","r":"%.8f","T":%d,"st":%d}'
        rows = []
        for contract in contracts:
            row, hours = contract.row, contract.funding_hours * HOUR_MS
            values = (marks[row], indices[row], indices[row], funding[row] * contract.funding_hours / 8)
            rows.append(form % (now, encode.dumps(contract.symbol), *values, (now // hours + 1) * hours, 1))
        return [*rows, form % (now, '"BTCUSD_PERP"', marks[0], indices[0], indices[0], 1e-4, 0, 2)]

    def _send_books(self, now: int) -> None:
        for stream in [stream for stream in self.hub.streams() if "@depth" in stream]:
            symbol, _, kind = stream.partition("@depth")
            contract = self.exchange.contract(symbol.upper())
            if contract is None or self._silent(contract):
                continue
            book = self.exchange.book(contract, now, int(kind.partition("@")[0] or 20))
            bids, asks = encode.levels(book.bids, contract), encode.levels(book.asks, contract)
            name = encode.dumps(contract.symbol)
            self.hub.send(
                stream,
                f'{{"e":"depthUpdate","E":{now},"T":{now},"s":{name},"ps":{name},"st":1,"U":{book.update},'
                f'"u":{book.update + 1},"pu":{book.update - 1},"b":{bids},"a":{asks}}}',
            )

    def close_bar(self, event: int) -> None:
        """Send the closed frames of the bar that is due, of every interval that ends with it."""
        number = self._closed
        self._closed += 1
        self.closes += 1
        self.exchange.now()
        for interval, length in INTERVAL_MS.items():
            width = length // BAR_MS
            if (number + 1) % width == 0 and self._any_listens(interval):
                bars = self.exchange.closed_bars((number + 1) // width - 1, interval)
                self._send_klines(interval, (number + 1) // width - 1, bars, event=event, closed=True)
        if self._kept is not None:
            try:
                self._kept.keep(event)
            except OSError as error:  # a full disk does not stop the exchange
                log.warning("the clock cannot be kept", error=str(error))

    def _any_listens(self, interval: str) -> bool:
        return any(stream.endswith(f"@kline_{interval}") for stream in self.hub.streams())

    def _send_klines(self, interval: str, number: int, bars: Floats, *, event: int, closed: bool) -> None:
        """Send a kline frame of every symbol that is listened to; *bars* is (9, rows)."""
        suffix = f"@kline_{interval}"
        columns: list[list[float]] | None = None
        for stream in [stream for stream in self.hub.streams() if stream.endswith(suffix)]:
            contract = self.exchange.contract(stream[: -len(suffix)].upper())
            if contract is None or self._silent(contract) or not self._exists(contract, interval, number):
                continue
            columns = bars.T.tolist() if columns is None else columns
            bar = columns[contract.row]
            if bar[OPEN] != bar[OPEN]:  # a hole in recorded data
                continue
            self._send_kline(stream, contract, interval, number, bar, event=event, closed=closed)

    def _exists(self, contract: Contract, interval: str, number: int) -> bool:
        gap = self.faults.get("gap-all", contract.symbol)
        length = INTERVAL_MS[interval]
        listed = (number + 1) * length > contract.onboard
        return listed and (gap is None or (number + 1) * (length // BAR_MS) <= first_bar(gap))

    def _silent(self, contract: Contract) -> bool:
        return dead(contract) or self.faults.get("silent-symbol", contract.symbol) is not None

    def _send_kline(
        self, stream: str, contract: Contract, interval: str, number: int, bar: list[float], *, event: int, closed: bool
    ) -> None:
        faults, symbol, length = self.faults, contract.symbol, INTERVAL_MS[interval]
        if interval == "5m" and faults.altering(symbol):
            bar = self._altered(contract, number, bar)
        bare = faults.get("nan-literal", symbol) is not None
        if closed and faults.get("revised-bar", symbol):
            bar = revised(bar, contract)
        frame = encode.kline_frame(contract, interval, number * length, bar, event=event, closed=closed, bare_nan=bare)
        if closed and faults.get("missing-bar", symbol):
            return
        late = LATE_MS if faults.get("late-bar", symbol) else self._share(contract)
        if closed and late:
            heapq.heappush(self._late, (event + late, stream, frame))
            return
        self.hub.send(stream, frame)
        if closed and faults.get("duplicate-bar", symbol):
            self.hub.send(stream, frame)
        if closed and faults.get("out-of-order-bar", symbol):
            before = self.exchange.closed_bars(number - 1, interval)[:, contract.row].tolist()
            self.hub.send(
                stream, encode.kline_frame(contract, interval, (number - 1) * length, before, event=event, closed=True)
            )

    def _share(self, contract: Contract) -> int:
        """Return how long after the first coin's closed frame that of *contract* goes out, ms."""
        return round(self._spread_ms * contract.row / len(self.exchange.listed))

    def _altered(self, contract: Contract, number: int, bar: list[float]) -> list[float]:
        matrix = self.exchange.as_column(bar)
        self.exchange.play(contract, number, matrix)
        played: list[float] = matrix[:, 0].tolist()
        return played

    def _claim_closed(self, now: int) -> None:
        """Send frames that say closed before their time."""
        if self.faults.get("open-as-closed") is None:
            return
        bars = self.exchange.open_bars(now).T.tolist()
        for stream in [stream for stream in self.hub.streams() if stream.endswith("@kline_5m")]:
            contract = self.exchange.contract(stream.partition("@")[0].upper())
            if (
                contract is not None
                and self.faults.get("open-as-closed", contract.symbol)
                and not self._silent(contract)
            ):
                opened = now // BAR_MS * BAR_MS
                self.hub.send(
                    stream, encode.kline_frame(contract, "5m", opened, bars[contract.row], event=now, closed=True)
                )


def revised(bar: list[float], contract: Contract) -> list[float]:
    """Return the bar as it was said first: a little less volume, the close some ticks off."""
    first = list(bar)
    first[VOLUME], first[TAKER] = bar[VOLUME] * 0.9, bar[TAKER] * 0.9
    first[COUNT] = float(int(bar[COUNT] * 0.9))
    first[CLOSE] = min(max(bar[CLOSE] + 3 * contract.tick, bar[LOW]), bar[HIGH] + 3 * contract.tick)
    first[HIGH] = max(bar[HIGH], first[CLOSE])
    return first


def _coin_margined(row: str, name: str) -> str:
    return row.replace('"s":"BTCUSDT"', f'"s":"{name}"').replace('"st":1', '"st":2')
