"""Running sums since 00:00 UTC: what VWAP and cumulative delta are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.chart.window import Window
from shared.contracts import DAY_MS


def day_sums(window: Window) -> npt.NDArray[np.float64]:
    """Return the sums per UTC day of volume, volume × typical price and takers' balance, shape (3, n).

    NaN before the window's first midnight, and where there is no taker data.
    """
    sums = np.empty((3, len(window) + 1))  # a zero before the first bar
    sums[:, 0] = 0.0
    sums[0, 1:] = window.volume
    sums[1, 1:] = window.turnover
    np.subtract(2.0 * window.taker, window.volume, out=sums[2, 1:])
    np.add.accumulate(sums, axis=1, out=sums)
    first, last = window.open_time.item(0), window.open_time.item(-1)
    midnights = np.arange(-(-first // DAY_MS) * DAY_MS, last + DAY_MS + 1, DAY_MS)
    edges = window.open_time.searchsorted(midnights)  # the first bar of each day, whatever is missing; the end
    before, sums = sums.take(edges[:-1], axis=1), sums[:, 1:]
    sums[:, : edges[0]] = np.nan
    sums[:, edges[0] :] -= before.repeat(edges[1:] - edges[:-1], axis=1)
    return sums
