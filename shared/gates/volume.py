"""Gate 4: volume is there, and on the signal's side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import msgspec
import numpy as np
from pydantic import Field

from shared.contracts import Analysis, Floats, Verdict, VolumeFigures
from shared.gate import Appearance, Flags, Gate, Limits, make

PASSED_ALONE = "passed on volume and obv: this exchange has no taker flow"
OBV_ALONE = "obv against: this exchange has no taker flow"


def judge(analysis: Analysis, limits: Limits, earlier: Appearance | None) -> Verdict:
    """Refuse thin volume, and taker flow or on-balance volume that takes the other side.

    The value is the volume ratio.  The distance is the ratio's, or −1 where the ratio would do
    but the flow takes the other side, so that it is never negative where the gate passes.
    On an exchange that publishes no taker flow at all, volume and on-balance volume decide alone.
    """
    figures = analysis.volume
    ratio = figures.ratio_3 if figures else None
    if figures is None or ratio is None or not math.isfinite(ratio):
        return make(ENTRY.name, None, limits.volume_ratio, None, "no volume data")
    distance = ratio - limits.volume_ratio
    if figures.zero_volume:
        return make(ENTRY.name, ratio, limits.volume_ratio, min(distance, -1.0), "zero volume")
    if distance < 0:
        return make(ENTRY.name, ratio, limits.volume_ratio, distance, "volume too low")
    against = _against(figures, analysis)
    verdict = make(ENTRY.name, ratio, limits.volume_ratio, -1.0 if against else distance, against)
    alone = verdict.passed and not _has_taker_flow(analysis)
    return msgspec.structs.replace(verdict, reason=PASSED_ALONE) if alone else verdict


def _has_taker_flow(analysis: Analysis) -> bool:
    return "taker flow" not in analysis.unavailable


def _against(figures: VolumeFigures, analysis: Analysis) -> str:
    """Return the reason if a flow is not on the side, empty when every flow that the exchange publishes is."""
    sign = 1.0 if analysis.side == "long" else -1.0
    has_taker_flow = _has_taker_flow(analysis)
    if has_taker_flow:
        if figures.taker_delta is None:
            return "no taker data"
        if not figures.taker_delta * sign > 0:
            return "taker flow against"
    if figures.obv_slope is None or not figures.obv_slope * sign > 0:
        return "obv against" if has_taker_flow else OBV_ALONE
    return ""


def figures(analysis: Analysis) -> Mapping[str, float]:
    """Return the volume ratio, NaN where the gate refuses at any ratio."""
    found = analysis.volume
    if found is None or found.ratio_3 is None or found.zero_volume or _against(found, analysis):
        return {"volume ratio": math.nan}
    return {"volume ratio": found.ratio_3}


def may_pass(figures: Mapping[str, Floats], limits: Limits) -> Flags:
    """Return where the volume is high enough."""
    return np.asarray(figures["volume ratio"] >= limits.volume_ratio)


ENTRY = Gate(
    number=4,
    name="volume",
    title="Volume",
    sentence="Volume is above normal, and taker flow and on-balance volume are on the signal's side.",
    value="the last three 5m bars against three usual ones",
    setting="volume_ratio",
    kind=Annotated[float, Field(ge=0)],
    default=1.2,
    unit="×",
    reasons=(
        *("volume too low", "zero volume", "taker flow against", "no taker data", "obv against", OBV_ALONE),
        *("no volume data", PASSED_ALONE),
    ),
    judge=judge,
    figures=figures,
    may_pass=may_pass,
)
