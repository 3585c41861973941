"""What follows anomalies in 1, 4 and 24 hours, beside one other moment of the same coin for each.

A return counts in the direction of the day before: positive is a move that went on.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from services.evaluator.domain.first_touch import DROPPED_AFTER_MS, PATIENCE_MS
from shared import ids
from shared.contracts import DAY_MS, HOUR_MS, INTERVALS, SCAN_MS, Analysis, Decision, Outcome, Side, unpack
from shared.settings import AnomalySettings

HORIZONS: Final = {"after_1h": 1, "after_4h": 4, "after_24h": 24}  #: field -> hours
LAST: Final = DAY_MS
MOMENTS: Final = LAST // SCAN_MS  #: scans among which the other moment is drawn, once the anomaly's own day is over
KIND: Final = "anomaly"
OTHER: Final = "anomaly's other moment"


def of_decision(market: str, decision: Decision, rules: AnomalySettings) -> Outcome | None:
    """Return what is to be followed of *decision*: an anomaly whose day had a direction."""
    analysis = decision.analysis
    if decision.outcome == "late" or not analysis.anomaly.exceeds(rules.volume_z, rules.correlation):
        return None
    name = ids.anomaly_alert_id(market, analysis.symbol, analysis.scan_id)
    begun = Outcome(
        outcome_id=name,
        kind="anomaly",
        subject_id=name,
        symbol=analysis.symbol,
        side="long",
        scan_id=analysis.scan_id,
        settings_version=decision.settings_version,
        estimated=analysis.estimated,
    )
    return entered(begun, analysis)


def other_moment(anomaly: Outcome) -> Outcome:
    """Return the control before it is entered: the same coin on the day after the anomaly's own, by its seeded scan."""
    seed = zlib.crc32(f"{anomaly.subject_id}:moment".encode())
    return msgspec.structs.replace(
        anomaly,
        outcome_id=f"{anomaly.subject_id}#{OTHER}",
        kind="anomaly's other moment",
        scan_id=anomaly.scan_id + LAST + (1 + seed % MOMENTS) * SCAN_MS,
        entry=0.0,
    )


def entered(outcome: Outcome, analysis: Analysis) -> Outcome | None:
    """Return *outcome* begun at the scan's close, None where the day before had no direction."""
    change = analysis.anomaly.change_24h
    if change is None or not math.isfinite(change) or change == 0.0:
        return None
    side: Side = "long" if change > 0 else "short"
    return msgspec.structs.replace(outcome, scan_id=analysis.scan_id, side=side, entry=analysis.bar[3])


def advance(outcome: Outcome, analysis: Analysis | None, scan_id: int) -> Outcome:
    """Return *outcome* with the returns that have become known; ended once its day is over or given up."""
    known: dict[str, Any] = {}
    for name, hours in HORIZONS.items():
        due = outcome.scan_id + hours * HOUR_MS
        if analysis is not None and getattr(outcome, name) is None and due <= scan_id < due + LAST:
            price = _price_at(analysis, due, scan_id)
            if price is not None:
                way = 1.0 if outcome.side == "long" else -1.0
                known[name] = way * (price / outcome.entry - 1.0)
    over = outcome.scan_id + LAST
    if scan_id >= over and (analysis is not None or scan_id >= over + PATIENCE_MS):
        known |= {"result": "time", "ended_at": scan_id, "minutes": (scan_id - outcome.scan_id) // 60_000}
    return msgspec.structs.replace(outcome, **known) if known else outcome


def _price_at(analysis: Analysis, due: int, scan_id: int) -> float | None:
    """Return the close at *due*: the scan's own, or of the 15m bar that holds it where the coin was missing then."""
    if due == scan_id:
        return analysis.bar[3]
    if not analysis.chart:
        return None
    chart = unpack(analysis.chart).reshape(6, -1)
    held = np.flatnonzero((chart[0] < due) & (due <= chart[0] + INTERVALS["15m"]))
    return float(chart[4, held[0]]) if held.size else None


def take_scan(
    following: Mapping[str, Outcome], analyses: Mapping[str, Analysis], scan_id: int
) -> tuple[dict[str, Outcome], list[Outcome]]:
    """Return what is followed after the scan, and the outcomes to publish; *analyses* are those with a bar."""
    left, outcomes = dict(following), list[Outcome]()
    for name in sorted(following):
        outcome = following[name]
        analysis = analyses.get(outcome.symbol)
        later = _enter(outcome, analysis, scan_id) if outcome.entry <= 0 else advance(outcome, analysis, scan_id)
        if later.result:
            del left[name]
        else:
            left[name] = later
        if later.result or (outcome.entry <= 0 < later.entry):
            outcomes.append(later)
    return left, outcomes


def _enter(planned: Outcome, analysis: Analysis | None, scan_id: int) -> Outcome:
    """Return the control, entered at its moment or the next bar of a day with a direction; dropped a day later."""
    if scan_id < planned.scan_id:
        return planned
    begun = entered(planned, analysis) if analysis is not None else None
    if begun is None and scan_id > planned.scan_id + DROPPED_AFTER_MS:
        return msgspec.structs.replace(planned, result="time", ended_at=scan_id)
    return begun or planned
