"""Second stage: every indicator over the recent bars of every window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.analyzer.domain.indicator import compute_recent
from services.analyzer.domain.numeric import Series
from services.analyzer.domain.stages.windows import Windows


@dataclass(frozen=True, slots=True)
class IndicatorSeries:
    """Every series of the catalogue by name, for the recent bars of each window."""

    windows: Windows
    by_window: tuple[Mapping[str, Series], ...]


def compute_series(windows: Windows) -> IndicatorSeries:
    """Return the windows with their series."""
    return IndicatorSeries(windows, tuple(compute_recent(windows.windows)))
