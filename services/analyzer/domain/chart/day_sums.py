"""Sums since 00:00 UTC: what VWAP and cumulative delta are made of."""

from __future__ import annotations

import math

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import NewRows, Rows, Series, blank
from shared.contracts import DAY_MS
from shared.kernels import kernel


def day_sums(window: Window) -> Rows:
    """Return the mean price per UTC day, weighted by volume, and the takers' balance, shape (2, n).

    The price is the typical one, and itself the mean while nothing has traded.  NaN before the window's first
    midnight, and where there is no taker data.
    """
    sums = np.empty((2, len(window)))
    add_days(window.open_time, window.high, window.low, window.close, window.volume, window.taker, window.since, sums)
    return sums


@kernel
def add_days(
    open_time: Series,
    high: Series,
    low: Series,
    close: Series,
    volume: Series,
    taker: Series,
    since: int,
    sums: NewRows,
) -> None:
    """Fill *sums* from the first bar of the day on that the bar *since* belongs to."""
    start = since
    midnight = math.floor(open_time[since] / DAY_MS) * DAY_MS
    while start > 0 and open_time[start - 1] >= midnight:
        start -= 1
    blank(sums, start)
    traded = turnover = balance = 0.0
    if start == 0 and open_time[0] > midnight:  # the day that the window begins in is not whole
        traded = turnover = balance = math.nan
    midnight += DAY_MS
    for at in range(start, len(open_time)):
        if open_time[at] >= midnight:
            midnight = (math.floor(open_time[at] / DAY_MS) + 1) * DAY_MS
            traded = turnover = balance = 0.0
        typical = (high[at] + low[at] + close[at]) / 3.0
        traded += volume[at]
        turnover += volume[at] * typical
        balance += 2.0 * taker[at] - volume[at]
        sums[0, at] = typical if traded == 0.0 else turnover / traded
        sums[1, at] = balance
