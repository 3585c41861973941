"""Faults on demand: each kind with its meaning, and which ones are on at a moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from services.simulator.clock import SimulatedClock
from services.simulator.instruments import BAR_MS

#: name -> (entry of the fault list it plays, what happens)
KINDS: Final[dict[str, tuple[int, str]]] = {
    "silent-subscription": (1, "subscriptions are acknowledged and nothing is sent on any stream"),
    "silent-symbol": (2, "the symbol's own streams are silent on a live socket"),
    "disconnect": (3, "every socket is cut once; with seconds, new ones are cut as well until then"),
    "late-bar": (4, "the closed kline frame comes 30 s late (in lockstep: with the next step)"),
    "missing-bar": (4, "the closed kline frame never comes; REST has the bar"),
    "open-as-closed": (5, "a kline frame with unfinished values says it is closed, shortly before the close"),
    "revised-bar": (6, "the closed kline frame differs from what REST says later"),
    "duplicate-bar": (7, "the closed kline frame comes twice"),
    "out-of-order-bar": (7, "after the closed kline frame the one before comes again"),
    "gap-all": (9, "bars are missing, on the streams and in REST, for all symbols or one; they are back afterwards"),
    "zero-volume": (10, "five-minute bars without a trade: flat, volume 0"),
    "zero-price": (10, "the newest bars have open, high, low and close 0"),
    "negative-price": (10, "the newest bars have a negative low"),
    "nan": (11, 'the close is the string "NaN"'),
    "infinity": (11, 'the close is the string "Infinity"'),
    "nan-literal": (11, "the close is a bare NaN, which is not JSON"),
    "wick": (12, "the low falls to a thousandth; the mark price does not"),
    "new-listing": (13, "a contract listed just now appears (LISTEDNOWUSDT)"),
    "delisted": (13, "the symbol is SETTLING: price 0, no new bars, no frames"),
    "unknown-enum": (14, "unknown status, contract type, filter and event values appear"),
    "tick-size-change": (15, "the tick is ten times as coarse, and new prices are on it"),
    "funding-interval-change": (16, "the funding interval goes from 8 to 4 or from 4 to 1 h"),
    "funding-interval-missing": (16, "fundingInfo does not list the symbol and its settlements are not given"),
    "oi-400": (16, "open-interest history answers HTTP 400"),
    "book-400": (16, "the order book answers HTTP 400"),
    "oi-lag": (16, "open-interest history and ratios end 30 min ago"),
    "429": (17, "every request is answered 429 with Retry-After"),
    "418": (17, "the caller is banned for the fault's seconds (120 without)"),
    "403": (17, "the firewall's HTML page"),
    "451": (17, "the region is not served"),
    "html-502": (17, "an HTML page with status 502"),
    "error-1001": (17, "JSON error -1001 with status 503"),
    "error-1003": (17, "JSON error -1003 with status 429 and no Retry-After"),
    "slow": (17, "every answer takes 3 s"),
    "clock-skew": (18, "the exchange's time answer is 90 s ahead"),
    "time-unavailable": (18, "the time cannot be asked for"),
    "stale": (19, "everything answers, nothing moves: no frames, REST as of the fault's beginning"),
}  # fmt: skip

#: Those that change bars from the one that is open when they begin.
ALTERING: Final = frozenset(
    {"zero-volume", "zero-price", "negative-price", "nan", "infinity", "nan-literal", "wick", "tick-size-change"}
)
PER_SYMBOL: Final = frozenset(
    {"delisted", "tick-size-change", "funding-interval-change", "silent-symbol", "unknown-enum"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is on."""

    name: str
    symbol: str | None  #: None: all
    since: int  #: the exchange's clock when it began, ms
    until: int | None  #: metered ms (see `SimulatedClock.metered`); None: until cleared

    def on(self, now: int, symbol: str | None) -> bool:
        """Whether it touches *symbol* at *now*."""
        return (self.until is None or now < self.until) and (
            self.symbol is None or symbol is None or self.symbol == symbol
        )

    def described(self, now: int) -> dict[str, object]:
        """Return it as JSON says it."""
        left = None if self.until is None else round((self.until - now) / 1_000, 1)
        return {"name": self.name, "symbol": self.symbol, "seconds_left": left}


class UnknownFaultError(ValueError):
    """An unknown fault."""


def parse(text: str) -> tuple[str, str | None, float | None]:
    """Read NAME[:SYMBOL][:SECONDS]; a part that is a number is the seconds."""
    name, *rest = text.split(":")
    symbol: str | None = None
    seconds: float | None = None
    for part in filter(None, rest):
        if part.replace(".", "", 1).isdecimal():
            seconds = float(part)
        else:
            symbol = part.upper()
    return checked(name), symbol, seconds


def checked(name: str) -> str:
    """Return *name*, or say which names there are."""
    if name not in KINDS:
        raise UnknownFaultError(f"unknown fault {name!r}; known: {', '.join(KINDS)}")
    return name


class Faults:
    """Those that are on; while there is none, asking costs a dictionary look-up."""

    def __init__(self, clock: SimulatedClock, default_symbol: str) -> None:
        self._clock = clock
        self._default = default_symbol
        self._on: dict[str, list[Fault]] = {}
        self.played: Counter[str] = Counter()

    def turn_on(self, name: str, symbol: str | None = None, seconds: float | None = None) -> Fault:
        """Begin a fault now; those that concern one contract choose one where none is named."""
        if symbol is None and name in PER_SYMBOL:
            symbol = self._default
        until = None if seconds is None else self._clock.metered() + int(seconds * 1_000)
        fault = Fault(checked(name), symbol, self._clock.now(), until)
        self._on.setdefault(name, []).append(fault)
        self.played[name] += 1
        return fault

    def clear(self) -> None:
        """End them all."""
        self._on.clear()

    def get(self, name: str, symbol: str | None = None) -> Fault | None:
        """Return the fault *name* where it touches *symbol*, else None; *symbol* None asks for any."""
        if name not in self._on:
            return None
        now = self._clock.metered()
        return next((fault for fault in self._on[name] if fault.on(now, symbol)), None)

    def altering(self, symbol: str) -> list[Fault]:
        """Return the faults that change the bars of *symbol*."""
        found = (self.get(name, symbol) for name in self._on.keys() & ALTERING)
        return [fault for fault in found if fault is not None]

    def listed(self) -> list[dict[str, object]]:
        """Return those that are on, and forget those that ended."""
        now = self._clock.metered()
        for name in list(self._on):
            self._on[name] = [fault for fault in self._on[name] if fault.until is None or now < fault.until]
            if not self._on[name]:
                del self._on[name]
        return [fault.described(now) for faults in self._on.values() for fault in faults]


def first_bar(fault: Fault) -> int:
    """Return the number of the first five-minute bar that a fault touches: the one open when it began."""
    return fault.since // BAR_MS
