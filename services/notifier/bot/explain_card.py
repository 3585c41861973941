"""A card's alert out of what `/api/coins/SYMBOL/explain` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from shared.contracts import (
    Alert,
    Analysis,
    Comparable,
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
    """Return the signal that `/api/coins/SYMBOL/explain` describes, for its card."""
    fmqs, sentiment, chart = found.get("fmqs"), found.get("sentiment"), found.get("chart") or {}
    analysis = Analysis(
        symbol=found["symbol"],
        scan_id=found["scan_id"],
        settings_version=found.get("settings_version", 0),
        side=found["side"],
        score=found["score"],
        agreement=found.get("agreement") or 0.0,
        confidence=found.get("confidence"),
        forecast=found.get("forecast") or "",
        expected_r=found.get("expected_r"),
        regime=found["regime"],
        timeframes=tuple(TimeframeAnalysis(**item) for item in found.get("timeframes", ())),
        fmqs=None if fmqs is None else Fmqs(value=fmqs, components={}),
        levels=_levels(found.get("plan")),
        strength=found.get("strength") or 0,
        sentiment=None if sentiment is None else Sentiment(**sentiment),
        comparable=_comparable(found.get("worth")),
        young=tuple(found.get("young") or ()),
        chart=pack(np.array([chart[name] for name in CHART])) if chart else b"",
    )
    body = SignalBody(
        signal_id="", side=found["side"], analysis=analysis, verdicts=tuple(_verdict(item) for item in found["gates"])
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


def _comparable(worth: Mapping[str, Any] | None) -> Comparable | None:
    """Return how setups like this one went, None where the API knows of no record."""
    found = (worth or {}).get("comparable")
    return None if found is None else Comparable(**found)


def _verdict(item: Mapping[str, Any]) -> Verdict:
    return Verdict(**{name: item[name] for name in Verdict.__struct_fields__})
