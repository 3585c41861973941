"""What the exchange shows of the market at a moment: bars so far, prices, books, statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.simulator.clock import SimulatedClock
from services.simulator.faults.faults import Faults, first_bar
from services.simulator.faults.spoiled_bars import spoil
from services.simulator.instruments import BAR_MS, Contract, bystanders, stable_hash
from services.simulator.market.book import Book, draw_book
from services.simulator.market.tape import (
    BARS_A_DAY,
    CLOSE,
    COLUMNS,
    FUNDING,
    INTERVAL_MS,
    OPEN,
    VOLUME,
    Flags,
    Floats,
    Integers,
    Source,
    Tape,
    aggregate,
    so_far,
)
from shared.contracts import DAY_MS, HOUR_MS

POINT_DELAY_S: Final = (10, 70)  #: how long after its stamp a ratio point appears
NEW_LISTING: Final = "LISTEDNOWUSDT"


@dataclass(frozen=True, slots=True)
class Statistics:
    """The rolling 24 hours of every row."""

    at: int
    bar: Floats  #: (9, rows): the whole window as one bar, up to `at`


class SimulatedExchange:
    """The market seen through the clock and the faults."""

    def __init__(self, source: Source, clock: SimulatedClock, faults: Faults) -> None:
        self.source, self.clock, self.faults = source, clock, faults
        self.tape = Tape(source)
        self.listed = source.contracts
        own = {contract.symbol: contract for contract in source.contracts}
        self.contracts = own | {
            other.symbol: other for other in bystanders(source.contracts) if other.symbol not in own
        }
        self.tick = np.array([contract.tick for contract in source.contracts])
        self.step = np.array([contract.step for contract in source.contracts])
        self.by_row = {contract.row: contract for contract in source.contracts}
        self._window: tuple[int, Floats] = (-1, np.empty(0))
        self.tape.reach(clock.now())

    def now(self) -> int:
        """Return the exchange's time; a replay's stops at the end of its data."""
        now = self.clock.now()
        now = now if self.source.end is None else min(now, self.source.end)
        self.tape.reach(now)
        return now

    @property
    def ended(self) -> bool:
        return self.source.end is not None and self.clock.now() >= self.source.end

    def seen(self) -> int:
        """Return the time as of which the market is shown."""
        stale = self.faults.get("stale")
        return self.now() if stale is None else min(self.now(), stale.since)

    # contracts

    def contract(self, symbol: str) -> Contract | None:
        """Return a contract's present state, faults included."""
        if symbol == NEW_LISTING:
            return self._new_listing()
        contract = self.contracts.get(symbol)
        return None if contract is None else self._as_of_now(contract)

    def all_contracts(self) -> list[Contract]:
        """Return every contract's present state."""
        now = self.now()
        shown = [self._as_of_now(contract) for contract in self.contracts.values() if contract.onboard <= now]
        fresh = self._new_listing()
        return shown if fresh is None else [*shown, fresh]

    def _new_listing(self) -> Contract | None:
        fault = self.faults.get("new-listing")
        if fault is None:
            return None
        return replace(self.listed[-1], symbol=NEW_LISTING, base="LISTEDNOW", onboard=fault.since // BAR_MS * BAR_MS)

    def _as_of_now(self, contract: Contract) -> Contract:
        get, symbol = self.faults.get, contract.symbol
        if get("delisted", symbol):
            contract = replace(contract, status="SETTLING")
        if get("unknown-enum", symbol):
            contract = replace(contract, status="UNDER_REVIEW", contract_type="PERPETUAL_V9")
        if get("tick-size-change", symbol):
            contract = replace(contract, tick=float(f"{contract.tick * 10:.9f}"))
        if get("funding-interval-change", symbol):
            contract = replace(contract, funding_hours=4 if contract.funding_hours == 8 else 1)
        return contract

    # bars

    def open_bars(self, now: int) -> Floats:
        """Return the five-minute bar of every row that is open at *now*, as far as it has come: (9, rows)."""
        number = now // BAR_MS
        return so_far(self.tape.across(number, number + 1)[:, :, 0], now % BAR_MS / BAR_MS, self.tick, self.step)

    def closed_bars(self, number: int, interval: str = "5m") -> Floats:
        """Return the closed bar *number* of every row: (9, rows)."""
        if interval == "5m":
            return self.tape.across(number, number + 1)[:, :, 0]
        width = INTERVAL_MS[interval] // BAR_MS
        return aggregate(self.tape.across(number * width, (number + 1) * width), width)[:, :, 0]

    def open_wide(self, interval: str, now: int) -> Floats:
        """Return the bar of *interval* of every row that is open at *now*: (9, rows)."""
        bars, number, width = self.open_bars(now), now // BAR_MS, INTERVAL_MS[interval] // BAR_MS
        closed = number % width
        if closed == 0:
            return bars
        return aggregate(np.concatenate([self.tape.across(number - closed, number), bars[:, :, None]], 2), closed + 1)[
            :, :, 0
        ]

    def bars(self, contract: Contract, interval: str, first: int, last: int, now: int) -> tuple[Floats, Floats]:
        """Return open times (n) and bars (9, n) number *first* to *last* (excluded), the open one so far included.

        Bars that do not exist (before the listing, holes, after the delisting) are left out.
        """
        length = INTERVAL_MS[interval]
        first = max(first, self.tape.first_kept(interval), -(-contract.onboard // length))
        last = min(last, self._last_bar(contract, now) // (length // BAR_MS) + 1)
        if first >= last:
            return np.empty(0), np.empty((COLUMNS, 0))
        bars = self.tape.bars(contract.row, interval, first, last)
        newest = now // length
        if last > newest:
            bars[:, -1] = self._one_so_far(contract.row, interval, now)
        self._alter(contract, interval, first, bars, now)
        numbers = np.arange(first, last)
        keep = ~np.isnan(bars[OPEN]) & ~self._holes(contract, interval, numbers)
        return numbers[keep] * float(length), bars[:, keep]

    def _last_bar(self, contract: Contract, now: int) -> int:
        """Return the number of the newest five-minute bar that the contract has."""
        delisted = self.faults.get("delisted", contract.symbol)
        at = now if delisted is None else min(now, delisted.since)
        end = self.source.end
        return (at if end is None else min(at, end - 1)) // BAR_MS

    def newest_bar(self, contract: Contract, interval: str) -> int:
        """Return the number of the newest bar of *interval* that the contract has."""
        return self._last_bar(contract, self.seen()) // (INTERVAL_MS[interval] // BAR_MS)

    def _one_so_far(self, row: int, interval: str, now: int) -> Floats:
        number, width = now // BAR_MS, INTERVAL_MS[interval] // BAR_MS
        bars = self.tape.bars(row, "5m", number - number % width, number + 1)
        bars[:, -1] = so_far(bars[:, -1], now % BAR_MS / BAR_MS, self.tick[row], self.step[row])
        return bars[:, 0] if width == 1 else aggregate(bars[:, None, :], bars.shape[1])[:, 0, 0]

    def _holes(self, contract: Contract, interval: str, numbers: Integers) -> Flags:
        gap = self.faults.get("gap-all", contract.symbol)
        if gap is None:
            return np.zeros(len(numbers), dtype=bool)
        return np.asarray((numbers + 1) * (INTERVAL_MS[interval] // BAR_MS) > first_bar(gap))

    def _alter(self, contract: Contract, interval: str, first: int, bars: Floats, now: int) -> None:
        """Play the faults that change bars; higher bars are made anew from the changed five-minute ones."""
        faults = self.faults.altering(contract.symbol)
        if not faults:
            return
        width = INTERVAL_MS[interval] // BAR_MS
        since = max(min(first_bar(fault) for fault in faults) // width, first)
        for number in range(since, first + bars.shape[1]):
            column = number - first
            if width > 1:
                small = self.tape.bars(contract.row, "5m", number * width, min((number + 1) * width, now // BAR_MS + 1))
                if (number + 1) * width > now // BAR_MS:
                    small[:, -1] = so_far(
                        small[:, -1], now % BAR_MS / BAR_MS, self.tick[contract.row], self.step[contract.row]
                    )
                self.play(contract, number * width, small)
                bars[:, column] = aggregate(small[:, None, :], small.shape[1])[:, 0, 0]
        if width == 1:
            self.play(contract, first, bars)

    @staticmethod
    def as_column(bar: list[float]) -> Floats:
        """Return one bar as a matrix (9, 1)."""
        return np.array(bar)[:, None]

    def play(self, contract: Contract, first: int, bars: Floats) -> None:
        """Change five-minute *bars*, shape (9, n), the first being number *first*, as the faults want it."""
        for fault in self.faults.altering(contract.symbol):
            spoil(fault.name, bars[:, max(0, first_bar(fault) - first) :], self.tick[contract.row])

    # prices and statistics

    def prices(self, now: int) -> Floats:
        """Return every row's last price."""
        return np.asarray(self._priced(self.open_bars(now), now)[CLOSE])

    def _priced(self, bars: Floats, now: int) -> Floats:
        """Put flat bars at the last known price where a recording has a hole; *bars* is (9, rows)."""
        holes = np.isnan(bars[OPEN])
        if holes.any():
            number = now // BAR_MS
            closes = self.tape.across(max(number - BARS_A_DAY, self.tape.first_kept("5m")), number)[CLOSE]
            known = ~np.isnan(closes)
            newest = closes.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
            last = np.where(known.any(axis=1), closes[np.arange(len(closes)), newest], 0.0)
            bars[: CLOSE + 1, holes], bars[VOLUME:, holes] = last[holes], 0.0
        return bars

    def statistics(self, now: int) -> Statistics:
        """Return the rolling 24 hours: the last 287 closed bars and the open one."""
        number = now // BAR_MS
        if self._window[0] != number:
            self._window = (
                number,
                aggregate(self.tape.across(number - BARS_A_DAY + 1, number), BARS_A_DAY - 1)[:, :, 0],
            )
        both = np.stack([self._window[1], self._priced(self.open_bars(now), now)], axis=2)
        return Statistics(now, aggregate(both, 2)[:, :, 0])

    def funding(self, now: int) -> Floats:
        """Return every row's running funding rate, per eight hours, at the last five-minute stamp."""
        return np.asarray(self.tape.series_across(now // BAR_MS - 1)[FUNDING])

    def index_prices(self, now: int) -> Floats:
        """Return every row's index price: the mark stands above it while funding is positive."""
        return self.prices(now) * (1.0 - np.clip(0.5 * self.funding(now), -0.002, 0.002))

    def book(self, contract: Contract, now: int, levels: int) -> Book:
        """Return the book: its sizes are drawn for the bar, its prices follow the last price."""
        number, row = now // BAR_MS, contract.row
        price = self._one_so_far(row, "5m", now)[CLOSE]
        price = self.prices(now)[row] if np.isnan(price) else price
        return draw_book(contract, self.tape.bars(row, "5m", number - 12, number), float(price), now, levels)

    # derivatives

    def points(
        self, contract: Contract, period_ms: int, first: int, last: int, *, now: int, lag: int = 0
    ) -> tuple[Floats, Floats, Floats]:
        """Return stamps, series (5, n) and closes of the points stamped *first* to *last* that have appeared."""
        delay = POINT_DELAY_S[0] + stable_hash(contract.symbol) % (POINT_DELAY_S[1] - POINT_DELAY_S[0] + 1)
        newest = (now - delay * 1_000) // period_ms - lag
        if self.faults.get("oi-lag", contract.symbol):
            newest = min(newest, (now - 1_800_000) // period_ms)
        oldest = max((self.tape.first_series() + 1) * BAR_MS, contract.onboard)
        stamps = (
            np.arange(max(-(-first // period_ms), -(-oldest // period_ms)), min(last // period_ms, newest) + 1)
            * period_ms
        )
        if len(stamps) == 0:
            return np.empty(0), np.empty((5, 0)), np.empty(0)
        bars = stamps // BAR_MS - 1
        span = int(bars[0]), int(bars[-1]) + 1
        series = self.tape.series(contract.row, *span)[:, bars - span[0]]
        return stamps.astype(float), series, self.closes(contract.row, bars)

    def closes(self, row: int, bars: Integers) -> Floats:
        """Return the closes of five-minute bars by number; from the hour where the bar itself is forgotten."""
        kept = np.maximum(bars, self.tape.first_kept("5m"))
        closes = self.tape.bars(row, "5m", int(kept[0]), int(kept[-1]) + 1)[CLOSE][kept - kept[0]]
        hours = np.maximum(bars // 12, self.tape.first_kept("1h"))
        hourly = self.tape.bars(row, "1h", int(hours[0]), int(hours[-1]) + 1)[CLOSE][hours - hours[0]]
        return np.asarray(np.where(kept == bars, closes, hourly))

    def settlements(self, contract: Contract, now: int) -> tuple[Floats, Floats]:
        """Return the stamps and rates (per interval) of the funding settlements that are still known."""
        length = contract.funding_hours * HOUR_MS
        oldest = max((self.tape.first_series() + 1) * BAR_MS, contract.onboard)
        stamps = np.arange(-(-oldest // length), now // length + 1) * length
        if len(stamps) == 0:
            return np.empty(0), np.empty(0)
        bars = stamps // BAR_MS - 1
        rates = self.tape.series(contract.row, int(bars[0]), int(bars[-1]) + 1)[FUNDING][bars - bars[0]]
        return stamps.astype(float), rates * contract.funding_hours / 8

    def fear_and_greed(self, now: int, days: int) -> list[tuple[int, int]]:
        """Return (stamp in seconds, value), newest first: Bitcoin's last ten days' way, squashed."""
        answers = []
        for back in range(days):
            midnight = now // DAY_MS * DAY_MS - back * DAY_MS
            last = midnight // INTERVAL_MS["4h"]
            close = self.tape.bars(0, "4h", max(last - 60, self.tape.first_kept("4h")), last)[CLOSE]
            if len(close) < 2:
                break
            way = np.log(close[-1] / close[0]) / 0.12
            answers.append((midnight // 1_000, int(np.clip(50 + 40 * np.tanh(way), 5, 95))))
        return answers
