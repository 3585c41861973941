"""A card's alert out of what `/api/explain` shows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shared.contracts import (
    Alert,
    Analysis,
    Fmqs,
    Level,
    Sentiment,
    SignalBody,
    TimeframeAnalysis,
    TradeLevels,
    Verdict,
    pack,
)

CHART: Final = ("open_time", "open", "high", "low", "close", "volume")


def alert_from(found: dict[str, Any]) -> Alert:
    """Return the signal that `/api/explain` describes, for its card."""
    fmqs, sentiment, chart = found.get("fmqs"), found.get("sentiment"), found.get("chart") or {}
    analysis = Analysis(
        symbol=found["symbol"],
        scan_id=found["scan_id"],
        settings_version=found.get("settings_version", 0),
        side=found["side"],
        score=found["score"],
        confidence=found.get("confidence") or 0.0,
        regime=found["regime"],
        timeframes=tuple(TimeframeAnalysis(**item) for item in found.get("timeframes", ())),
        fmqs=None if fmqs is None else Fmqs(value=fmqs, components={}),
        levels=_levels(found.get("levels")),
        strength=found.get("strength") or 0,
        sentiment=None if sentiment is None else Sentiment(**sentiment),
        chart=pack(np.array([chart[name] for name in CHART])) if chart else b"",
    )
    body = SignalBody(
        signal_id="", side=found["side"], analysis=analysis, verdicts=tuple(Verdict(**item) for item in found["gates"])
    )
    return Alert(
        alert_id=f"chart:{analysis.symbol}:{analysis.scan_id}",
        kind="signal",
        body=body,
        occurred_at=analysis.scan_id,
        created_at=analysis.scan_id,
        symbol=analysis.symbol,
        side=analysis.side,
        estimated=tuple(found.get("estimated") or ()),
    )


def _levels(found: dict[str, Any] | None) -> TradeLevels | None:
    if found is None:
        return None
    walls = {name: tuple(Level(**item) for item in found.get(name) or ()) for name in ("supports", "resistances")}
    return TradeLevels(**{**found, **walls})
