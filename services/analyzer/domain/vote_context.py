"""What an indicator sees when it votes on one interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import Series, once
from shared.contracts import Regime


@dataclass(frozen=True)
class VoteContext:
    """One interval: its bars, every series over them with its newest value, the regime and the usual range."""

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
