"""The port to an exchange, in the trade's terms.

An exchange is one folder that implements these protocols and declares its `Capabilities`; `app` picks it by
the market.  Nothing else in the fetcher depends on which exchange it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from services.fetcher.domain.derivatives import MarkPrice
from services.fetcher.domain.instruments import Instrument
from shared.contracts import Depth, Floats, Interval, MarketInput

FeedKind = Literal["bars", "prices", "marks"]
Points = tuple[Floats, Floats]  #: stamps in ms, oldest first, and values


class ExchangeError(Exception):
    """A request to the exchange failed."""


class UnavailableError(ExchangeError):
    """No answer after several tries."""


class RefusedError(ExchangeError):
    """The request itself is wrong: asking again would not help."""


class UnknownSymbolError(RefusedError):
    """The exchange does not know the symbol (any more)."""


class RetiredError(RefusedError):
    """This kind of request is no longer served, or only to accounts."""


class GarbledError(ExchangeError):
    """The answer is not in the documented form."""


class BlockedError(Exception):
    """The exchange refuses requests from this address for *seconds*."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(f"{reason}: no request for {seconds:.0f} s")
        self.reason = reason
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one exchange publishes, and how much one request returns."""

    name: str  #: its display name
    bitcoin: str  #: the symbol that every coin is compared with
    unavailable: tuple[MarketInput, ...] = ()  #: what it does not publish; bars without taker flow hold NaN there
    closed_flag: bool = True  #: the feed says when a bar has closed; else bars come by request after each close
    history_bars: int | None = None  #: of each interval, how far back requests reach; None: as far as is needed
    longest_request: int  #: bars to ask for at once at most: what it gives, or what is not dearer in two
    cheap_request: int  #: bars that cost no more than a single one
    region_advice: str = ""  #: what to do where the exchange does not serve this address


class Budget(Protocol):
    """The request budget, and whether the exchange serves this address at all."""

    @property
    def blocked(self) -> str:
        """Why the exchange refuses this address now; empty when it does not."""

    @property
    def refused_for(self) -> str | None:
        """Why it refused at the last answer, "" when it answered; None before any."""

    @property
    def used(self) -> int:
        """How much request weight is used in this minute, by all fetchers."""

    @property
    def limit(self) -> int:
        """How much the exchange allows in a minute."""

    @property
    def retired(self) -> Mapping[str, str]:
        """The requests that are no longer served, each with the exchange's reason."""

    async def remembered_ban(self) -> float:
        """Load a ban that an earlier process met; return the seconds left."""


class Exchange(Protocol):
    """Requests.

    Each raises `BlockedError` while the exchange refuses this address, `RefusedError` or one of its kinds where
    asking again would not help, `UnavailableError` after several tries, `GarbledError` on an answer it cannot read.
    Stamps are UNIX ms of the exchange.
    """

    capabilities: Capabilities

    @property
    def source(self) -> str:
        """The name of a substitute such as "simulator"; empty: the real exchange."""

    @property
    def budget(self) -> Budget: ...

    @property
    def remarks(self) -> Sequence[str]:
        """Remarks for users about its answers, one sentence each."""

    async def open(self) -> None:
        """Open the connections."""

    async def close(self) -> None: ...

    async def server_time(self) -> int:
        """Return the exchange's time."""

    async def instruments(self) -> dict[str, Instrument]:
        """Return all contracts by symbol."""

    async def volumes(self) -> dict[str, float]:
        """Return the 24 h volume of every symbol, USDT."""

    async def prices(self) -> tuple[int, dict[str, float]]:
        """Return the newest stamp and the last price of every symbol."""

    async def bars(self, symbol: str, interval: Interval, *, limit: int, end_time: int) -> Floats:
        """Return the newest *limit* bars that had closed at *end_time*, shape (8, n); fewer where there are no more."""

    async def book(self, symbol: str) -> Depth:
        """Return the first 20 levels of the book."""

    async def mark_prices(self) -> dict[str, MarkPrice]:
        """Return mark price, index price and running funding rate of every symbol."""

    async def funding_intervals(self) -> dict[str, int]:
        """Return the hours between settlements of those symbols that the exchange lists."""

    async def settled_funding(self, symbol: str, *, limit: int) -> Points:
        """Return the rates of the last settlements."""

    async def open_interest(self, symbol: str, *, limit: int) -> Points:
        """Return open interest in coins at five-minute points."""

    async def global_ratio(self, symbol: str, *, limit: int) -> Points:
        """Return long/short accounts of all traders at five-minute points."""

    async def top_ratio(self, symbol: str, *, limit: int) -> Points:
        """Return long/short accounts of the top traders at five-minute points."""


class FeedListener(Protocol):
    """The receiver of a feed's data; each call is quick and never waits."""

    def closed_bar(self, symbol: str, bar: Floats, event_time: int) -> None:
        """Take a five-minute bar that has closed."""

    def prices(self, event_time: int, prices: dict[str, float]) -> None:
        """Take the last prices of those symbols that changed."""

    def marks(self, event_time: int, marks: dict[str, MarkPrice]) -> None:
        """Take mark prices and the running funding rates."""


class Feed(Protocol):
    """The live connections, which reconnect by themselves; ages are wall time."""

    async def hold(self, symbols: Sequence[str]) -> None:
        """Deliver the bars of *symbols*, and the prices and marks of all, from now on."""

    async def close(self) -> None:
        """Close all connections."""

    def silent_seconds(self, kind: FeedKind) -> float | None:
        """Return the time without *kind* on the present connection.

        Infinite: none has ever come on it, or the feed has no such kind; None: nothing is held.
        """

    @property
    def unheard_seconds(self) -> float:
        """The time without data on the stalest busy connection, reconnects included."""

    @property
    def up(self) -> bool:
        """Whether data comes on all connections that should not be silent for long."""

    def replace_silent(self, longest: float) -> None:
        """Replace the connections that were silent for more than *longest* seconds."""

    def replace(self, symbols: Sequence[str], reason: str) -> None:
        """Replace the connections of the bars of *symbols*."""
