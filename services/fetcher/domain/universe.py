"""Which coins are watched: the most traded USDT perpetuals, with hysteresis at the edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.fetcher.domain.instruments import Instrument
from shared.contracts import DAY_MS
from shared.settings import UniverseSettings


@dataclass(frozen=True)
class Selection:
    """The watched symbols, and those held for comparison."""

    symbols: tuple[str, ...]  #: by volume, largest first
    bitcoin: str = ""  #: always held, for comparison; empty: nothing is chosen yet

    @property
    def held(self) -> tuple[str, ...]:
        """The watched symbols and Bitcoin."""
        return self.symbols if not self.bitcoin or self.bitcoin in self.symbols else (self.bitcoin, *self.symbols)


def select(
    instruments: Mapping[str, Instrument],
    volumes: Mapping[str, float],
    wanted: UniverseSettings,
    now: int,
    held: Sequence[str] = (),
    *,
    bitcoin: str,
) -> Selection:
    """Return the universe: *wanted.size* coins by 24 h quote volume, in USDT.

    A coin of *held* leaves only below rank size × (1 + hysteresis); a new one enters only within
    the size that is left.  Included ones are in at any volume, excluded ones never.  *bitcoin* is held besides.
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
    return Selection(tuple(sorted(chosen, key=lambda symbol: (-volumes.get(symbol, 0.0), symbol))), bitcoin)
