"""An exact shortcut: running sums show which scans gate 4 can pass at all.

The gate refuses every scan that is excluded here; the others are analysed, and the gate itself judges.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.chart.volume_figures import OBV_BARS, RECENT_BARS, USUAL_BARS
from services.fetcher.domain.bars import CLOSE, TAKER, VOLUME
from shared.contracts import INTERVALS, SCAN_MS, Floats

MARGIN: Final = 1e-6  #: what is nearer than this to a limit is left to the gate itself
WIDTH: Final = INTERVALS["15m"] // SCAN_MS
Flags = npt.NDArray[np.bool_]


def can_pass(five: Floats, quarter: Floats, *, ratio: float, obv: bool) -> Flags:
    """Return for each bar of *five*, shape (8, n), whether the scan at its close can pass gate 4 at *ratio*.

    *quarter* are the 15m bars of the same grid.  Without *obv* the on-balance volume is not asked.
    """
    volume = np.nan_to_num(five[VOLUME])
    recent = _moving_sum(volume, RECENT_BARS)
    usual = np.concatenate((np.zeros(RECENT_BARS), _moving_sum(volume, USUAL_BARS)[:-RECENT_BARS]))
    enough = recent * USUAL_BARS >= ratio * RECENT_BARS * usual * (1 - MARGIN)
    traded = _moving_sum((volume == 0).astype(np.float64), RECENT_BARS) < 0.5
    bought = 2.0 * _moving_sum(np.nan_to_num(five[TAKER]), RECENT_BARS) - recent
    likes = [bought * way > -MARGIN * recent for way in (1.0, -1.0)]
    if obv:
        slope, size = _obv_slope(five, quarter)
        likes = [liked & (slope * way > -MARGIN * size) for liked, way in zip(likes, (1.0, -1.0), strict=True)]
    return np.asarray(enough & traded & (likes[0] | likes[1]))


def _moving_sum(values: Floats, width: int) -> Floats:
    """Return the sum of the last *width* values at each of *values*; of fewer at the beginning."""
    sums = np.concatenate((np.zeros(width), np.cumsum(values)))
    return np.asarray(sums[width:] - sums[:-width])


def _obv_slope(five: Floats, quarter: Floats) -> tuple[Floats, Floats]:
    """Return the slope of the last eight 15m values of on-balance volume up to a factor, and its largest size.

    The newest 15m bar is the one so far.  The slope is a weighted sum of the bars' signed volumes.
    """
    weights = np.array([sum(j - (OBV_BARS - 1) / 2 for j in range(m, OBV_BARS)) for m in range(1, OBV_BARS)])
    bucket = np.arange(five.shape[1]) // WIDTH
    close, whole = quarter[CLOSE], np.nan_to_num(quarter[VOLUME])
    before = np.concatenate(([np.nan], close[:-1]))
    signed = np.nan_to_num(np.sign(close - before)) * whole
    slope, size = _so_far(five, before[bucket], bucket, weights[-1])
    for back in range(1, OBV_BARS - 1):
        part = np.concatenate((np.zeros(back), signed[:-back]))[bucket] * weights[-1 - back]
        slope, size = slope + part, size + np.abs(part)
    return slope, size


def _so_far(five: Floats, before: Floats, bucket: npt.NDArray[np.int64], weight: float) -> tuple[Floats, Floats]:
    """Return the part of the 15m bar so far: the volume since its opening, signed by its close against *before*."""
    volume = np.nan_to_num(five[VOLUME])
    sums = np.cumsum(volume)
    opened = bucket * WIDTH
    part = sums - sums[opened] + volume[opened]
    signed = np.nan_to_num(np.sign(five[CLOSE] - before)) * part * weight
    return signed, np.abs(signed)
