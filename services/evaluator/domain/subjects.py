"""The subjects that are followed: every signal, and every near miss, a setup that one gate alone refused."""

from __future__ import annotations

import math

from shared.contracts import Analysis, Decision, Outcome, OutcomeKind
from shared.odds import target_first
from shared.settings import OutcomeSettings


def of_decision(decision: Decision, rules: OutcomeSettings) -> Outcome | None:
    """Return the outcome to follow for *decision*, None where there is none."""
    if decision.signal_id:
        return _subject(decision, "signal", decision.signal_id, "", rules)
    refused = [verdict.gate for verdict in decision.verdicts if not verdict.passed]
    if decision.outcome != "rejected" or len(refused) != 1:
        return None
    analysis = decision.analysis
    name = f"near:{refused[0]}:{analysis.symbol}:{analysis.side}:{analysis.scan_id}"
    return _subject(decision, "near miss", name, refused[0], rules)


def near_key(outcome: Outcome) -> str:
    """Return the key under which one near miss at a time is followed: coin, side and the gate that refused."""
    return f"{outcome.symbol}:{outcome.side}:{outcome.refused_by}"


def atr_of(analysis: Analysis) -> float:
    """Return the coin's ATR 14 of 1h, NaN where it is not known."""
    if analysis.levels is not None:
        return analysis.levels.atr
    values = next((frame.values for frame in analysis.timeframes if frame.interval == "1h"), {})
    atr = values.get("atr")
    return atr if atr is not None and atr > 0 else math.nan


def _subject(
    decision: Decision, kind: OutcomeKind, name: str, refused_by: str, rules: OutcomeSettings
) -> Outcome | None:
    analysis, levels = decision.analysis, decision.analysis.levels
    if levels is None or not _sound(analysis.side == "long", levels.entry, levels.stop, levels.target):
        return None
    distances = abs(levels.entry - levels.stop), abs(levels.target - levels.entry)
    return Outcome(
        outcome_id=name,
        kind=kind,
        subject_id=name,
        symbol=analysis.symbol,
        side=analysis.side,
        scan_id=analysis.scan_id,
        entry=levels.entry,
        stop=levels.stop,
        target=levels.target,
        atr=levels.atr,
        refused_by=refused_by,
        score=analysis.score,
        agreement=analysis.agreement,
        forecast=target_first(*distances, levels.atr, rules.hours),
        fmqs=analysis.fmqs.value if analysis.fmqs else None,
        regime=analysis.regime,
        strength=analysis.strength,
        reward_to_risk=levels.reward_to_risk,
        weak=levels.weak,
        settings_version=decision.settings_version,
        estimated=analysis.estimated,
        confidence=analysis.confidence,
        forecast_version=analysis.forecast,
    )


def _sound(long: bool, entry: float, stop: float, target: float) -> bool:
    low, high = (stop, target) if long else (target, stop)
    return all(math.isfinite(price) for price in (low, entry, high)) and 0 < low < entry < high
