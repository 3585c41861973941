"""Which coins are watched: the most traded USDT perpetuals, with hysteresis at the edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.settings import Universe

BITCOIN: Final = "BTCUSDT"  #: always held, for comparison
DAY_MS: Final = 86_400_000
PERPETUAL: Final = "PERPETUAL"
KNOWN_TYPES: Final = frozenset({PERPETUAL, "CURRENT_QUARTER", "NEXT_QUARTER", "CURRENT_MONTH", "NEXT_MONTH", ""})
KNOWN_UNDERLYINGS: Final = frozenset({"COIN", "INDEX"})
KNOWN_STATES: Final = frozenset(
    {"TRADING", "PENDING_TRADING", "PRE_DELIVERING", "DELIVERING", "DELIVERED", "PRE_SETTLE", "SETTLING", "CLOSE"}
)


@dataclass(frozen=True)
class Instrument:
    """What the exchange says of one contract."""

    symbol: str
    tick_size: float  #: PRICE_FILTER's, not the price precision
    onboard_date: int  #: ms, 0 when unknown
    tradable: bool  #: TRADING, PERPETUAL, COIN, quoted in USDT
    unknown: str = ""  #: the enum value that nobody here knows
    estimated: tuple[str, ...] = ()  #: what the source made up by a documented rule


@dataclass(frozen=True)
class Selection:
    """What is watched, and what is held besides."""

    symbols: tuple[str, ...]  #: by volume, largest first

    @property
    def held(self) -> tuple[str, ...]:
        """The watched symbols and Bitcoin."""
        return self.symbols if BITCOIN in self.symbols else (BITCOIN, *self.symbols)


def select(
    instruments: Mapping[str, Instrument],
    volumes: Mapping[str, float],
    wanted: Universe,
    now: int,
    held: Sequence[str] = (),
) -> Selection:
    """Return the universe: *wanted.size* coins by 24 h quote volume, in USDT.

    A coin of *held* leaves only below rank size × (1 + hysteresis); a new one enters only within
    the size that is left.  Included ones are in whatever their volume, excluded ones never.
    """
    excluded = set(wanted.exclude)
    tradable = [symbol for symbol, instrument in instruments.items() if instrument.tradable and symbol not in excluded]
    included = [symbol for symbol in wanted.include if symbol in set(tradable)]
    youngest = now - wanted.min_age_days * DAY_MS
    ranked = sorted(
        (
            symbol
            for symbol in tradable
            if instruments[symbol].onboard_date <= youngest
            and volumes.get(symbol, 0.0) >= wanted.min_quote_volume
            and symbol not in included
        ),
        key=lambda symbol: (-volumes.get(symbol, 0.0), symbol),
    )
    places = max(0, wanted.size - len(included))
    edge = int(places * (1 + wanted.hysteresis))
    staying = [symbol for symbol in ranked[:edge] if symbol in set(held)][:places]
    entering = [symbol for symbol in ranked[:places] if symbol not in set(staying)][: places - len(staying)]
    chosen = set(included) | set(staying) | set(entering)
    return Selection(tuple(sorted(chosen, key=lambda symbol: (-volumes.get(symbol, 0.0), symbol))))
