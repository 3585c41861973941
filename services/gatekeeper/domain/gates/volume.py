"""Gate 4: volume is there, and on the signal's side."""

from __future__ import annotations

import math

from services.gatekeeper.domain.gates.verdict import Appearance, make
from shared.contracts import Analysis, Verdict, VolumeFigures
from shared.settings import Thresholds

NAME = "volume"


def judge(analysis: Analysis, limits: Thresholds, earlier: Appearance | None) -> Verdict:
    """Refuse thin volume, and taker flow or on-balance volume that takes the other side.

    The value is the volume ratio.  The distance is the ratio's, or −1 where the ratio would do
    but the flow takes the other side, so that it is never negative where the gate passes.
    """
    figures = analysis.volume
    ratio = figures.ratio_3 if figures else None
    if figures is None or ratio is None or not math.isfinite(ratio):
        return make(NAME, None, limits.volume_ratio, None, "no volume data")
    distance = ratio - limits.volume_ratio
    if figures.zero_volume:
        return make(NAME, ratio, limits.volume_ratio, min(distance, -1.0), "zero volume")
    if distance < 0:
        return make(NAME, ratio, limits.volume_ratio, distance, "volume too low")
    against = _against(figures, 1.0 if analysis.side == "long" else -1.0)
    return make(NAME, ratio, limits.volume_ratio, -1.0 if against else distance, against)


def _against(figures: VolumeFigures, sign: float) -> str:
    """Return which flow does not take the side, empty when both do."""
    if figures.taker_delta is None:
        return "no taker data"
    if not figures.taker_delta * sign > 0:
        return "taker flow against"
    if figures.obv_slope is None or not figures.obv_slope * sign > 0:
        return "obv against"
    return ""
