"""What gate 4 looks at: is there volume, and on whose side?"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import Series, slope
from shared.contracts import VolumeFigures

OBV_BARS: Final = 8
RECENT_BARS: Final = 3
USUAL_BARS: Final = 288  #: five-minute bars before those three


def volume_figures(five: Window, quarter: Window, obv: Series, *, zero: bool) -> VolumeFigures:
    """Return the last three bars of *five* against their usual volume, and the slope of *obv* over *quarter*.

    *zero* says that bars without any trade are known of.
    """
    recent = five.volume[-RECENT_BARS:].tolist()
    usual = five.volume[-RECENT_BARS - USUAL_BARS : -RECENT_BARS]
    usual_sum = float(np.add.reduce(usual))
    taken = 2.0 * sum(five.taker[-RECENT_BARS:].tolist()) - sum(recent)
    mean = sum(quarter.volume[-OBV_BARS:].tolist()) / OBV_BARS
    return VolumeFigures(
        ratio_3=sum(recent) * len(usual) / (RECENT_BARS * usual_sum) if usual_sum > 0 else None,
        taker_delta=None if math.isnan(taken) else taken,
        obv_slope=slope(obv[-OBV_BARS:]) / mean if mean > 0 else None,
        zero_volume=zero or 0.0 in recent,
    )
