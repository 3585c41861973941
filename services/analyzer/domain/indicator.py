"""What an entry of the indicator catalogue is, and how the catalogue is computed over a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import Series
from services.analyzer.domain.vote_context import VoteContext
from shared.contracts import MarketInput
from shared.registry import discover

Family = Literal["trend", "momentum", "volume", "volatility"]
Group = Literal["trend", "momentum", "volume", "derivatives", "price action", "structure"]
Scale = Literal["price", "volume", "none"]


Newest = Mapping[str, float | None]  #: series -> its newest value, None where it is not warm


class Voter(NamedTuple):
    """Something that votes: in which group, with which weight within it, and what it needs from the exchange."""

    group: Group
    weight: float
    needs: tuple[MarketInput, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """An indicator: how it is computed, how it votes, and what its documentation says."""

    name: str
    family: Family
    series: tuple[str, ...]
    compute: Callable[[Window], tuple[Series, ...]]  #: one array for each of `series`, aligned, NaN until warm
    warm_up: tuple[int, ...]  #: bars before the first value of each series (beyond a midnight, where one is needed)
    group: Group | None = None  #: which group its vote belongs to
    vote: Callable[[VoteContext], float] | None = None  #: [-1, 1], long positive; NaN where there is nothing to say
    weight: float = 1.0  #: within the group
    needs: tuple[MarketInput, ...] = ()  #: what it cannot vote without
    derived: tuple[tuple[str, Callable[[Newest], float | None]], ...] = ()  #: further values of the record
    scale: Scale = "none"  #: what its values grow with
    anchored: bool = False  #: sums since 00:00 UTC: NaN before the window's first midnight
    tolerance: float = 1e-9  #: of the newest value from 300 bars against 1000, relative to the price or the value
    remembers: bool = False  #: more bars than `Window.recent` has: it is computed over the whole window
    drifts: bool = False  #: a running sum from the window's first bar: only differences mean anything
    definition: str
    parameters: str
    units: str
    source: str
    tradingview: str  #: how it matches what TradingView shows


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Indicator]:
    """Return every indicator by name."""
    return discover("services.analyzer.domain.indicators", Indicator)


def derived_values(newest: Newest) -> dict[str, float | None]:
    """Return what the entries derive from the newest values of their series."""
    return {name: derive(newest) for entry in _deriving() for name, derive in entry.derived}


@lru_cache(maxsize=1)
def _deriving() -> tuple[Indicator, ...]:
    return tuple(entry for entry in catalogue().values() if entry.derived)


def compute_all(window: Window) -> dict[str, Series]:
    """Return every series of the catalogue over *window*."""
    values = (series for indicator in catalogue().values() for series in indicator.compute(window))
    return dict(zip(_names(), values, strict=True))


def compute_recent(windows: Sequence[Window]) -> list[dict[str, Series]]:
    """Return every series of the catalogue over the recent bars of each of *windows*.

    The newest values are those of `compute_all`: only indicators that remember more bars are computed over all of them.
    It goes indicator by indicator: what a processor has just run, it runs faster the next time.
    """
    found: list[list[Series]] = [[] for _ in windows]
    recent = [window.recent for window in windows]
    for indicator in catalogue().values():
        if indicator.remembers:
            for window, part, values in zip(windows, recent, found, strict=True):
                values.extend(series[-len(part) :] for series in indicator.compute(window))
        else:
            for part, values in zip(recent, found, strict=True):
                values.extend(indicator.compute(part))
    return [dict(zip(_names(), values, strict=True)) for values in found]


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(name for indicator in catalogue().values() for name in indicator.series)
