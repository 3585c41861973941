"""Counts the results of offered bars."""

from __future__ import annotations

from collections.abc import Iterable

from services.fetcher.domain.bars import BarResult
from shared import metrics


def count(results: Iterable[BarResult | None]) -> None:
    """Count the result of each bar that was offered to a window."""
    for result in results:
        if result is not None:
            metrics.FEED_BARS.labels(result).inc()
