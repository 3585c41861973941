"""One symbol's decision at one scan with all its figures, and its gates over time."""

from __future__ import annotations

from typing import Final

from services.api.views.cards import card
from services.api.views.facts import Json, as_json, chart
from services.api.views.gates import gates
from shared.contracts import Decision

PARTS: Final = (
    *("bonus", "agreement_parts", "timeframes", "timeframe_weights", "groups", "fmqs_other", "volume", "anomaly"),
    *("btc_excess", "sentiment", "derivatives", "bar"),
)


def explanation(decision: Decision, *, signal: Json | None = None) -> Json:
    """Return *decision* with all its figures."""
    analysis = decision.analysis
    shown = card(decision, signal=signal)
    del shown["chart"]
    return (
        shown
        | {name: as_json(getattr(analysis, name)) for name in PARTS}
        | {
            "settings_version": decision.settings_version,
            "fmqs_detail": as_json(analysis.fmqs),
            "plan": as_json(analysis.levels),
            "chart": chart(analysis.chart),
        }
    )


def judged(decision: Decision) -> Json:
    """Return the gates at one scan, without details."""
    analysis = decision.analysis
    return {
        "scan_id": analysis.scan_id,
        "side": analysis.side,
        "score": analysis.score,
        "fmqs": analysis.fmqs.value if analysis.fmqs else None,
        "confidence": analysis.confidence,
        "agreement": analysis.agreement,
        "regime": analysis.regime,
        "outcome": decision.outcome,
        "passed": decision.passed,
        "gates": gates(decision.verdicts),
    }
