"""What an entry of the indicator catalogue is, and how the catalogue is computed over a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from services.analyzer.domain.numeric import Series, once
from services.analyzer.domain.window import Window
from shared.catalogue import discover
from shared.contracts import Regime

Family = Literal["trend", "momentum", "volume", "volatility"]
Group = Literal["trend", "momentum", "volume", "derivatives", "price action", "structure"]
Scale = Literal["price", "volume", "none"]


@dataclass(frozen=True)
class Reading:
    """What a vote looks at: a window, every series over it and its newest value, and the regime."""

    window: Window
    series: Mapping[str, Series]
    regime: Regime
    atr: float  #: never zero

    @once
    def close(self) -> float:
        return float(self.window.close[-1])

    @once
    def newest(self) -> dict[str, float]:
        """The newest value of every series, NaN where it is not warm."""
        return {name: values.item(-1) for name, values in self.series.items()}

    @property
    def mean_reverting(self) -> bool:
        """Return whether an extreme speaks against going on."""
        return self.regime == "RANGING"

    def __getitem__(self, name: str) -> float:
        """Return the newest value of the series *name*; NaN where it is not warm."""
        return self.newest[name]

    def before(self, name: str, bars: int = 1) -> float:
        """Return the value of the series *name* so many bars before."""
        return float(self.series[name][-1 - bars])


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """An indicator: how it is computed, how it votes, and what its documentation says."""

    name: str
    family: Family
    series: tuple[str, ...]
    compute: Callable[[Window], tuple[Series, ...]]  #: one array for each of `series`, aligned, NaN until warm
    warm_up: tuple[int, ...]  #: bars before the first value of each series (beyond a midnight, where one is needed)
    group: Group | None = None  #: which group its vote belongs to
    vote: Callable[[Reading], float] | None = None  #: [-1, 1], long positive; NaN where there is nothing to say
    weight: float = 1.0  #: within the group
    scale: Scale = "none"  #: what its values grow with
    anchored: bool = False  #: sums since 00:00 UTC: NaN before the window's first midnight
    tolerance: float = 1e-9  #: of the newest value from 300 bars against 1000, relative to the price or the value
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


def compute_all(window: Window) -> dict[str, Series]:
    """Return every series of the catalogue over *window*."""
    return compute_each([window])[0]


def compute_each(windows: Sequence[Window]) -> list[dict[str, Series]]:
    """Return every series of the catalogue over each of *windows*.

    It goes indicator by indicator: what a processor has just run, it runs faster the next time.
    """
    found: list[list[Series]] = [[] for _ in windows]
    for indicator in catalogue().values():
        for window, values in zip(windows, found, strict=True):
            values.extend(indicator.compute(window))
    return [dict(zip(_names(), values, strict=True)) for values in found]


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(name for indicator in catalogue().values() for name in indicator.series)
