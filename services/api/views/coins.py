"""A coin's page: bars of every interval, every indicator with its history, votes by group and by indicator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.api.views.facts import Json, finite
from shared.contracts import COLUMNS, Bars, Decision, MarketSnapshot, Points

SERIES: Final = ("open_interest", "global_ratio", "top_ratio", "funding_settled")


def bars(snapshot: MarketSnapshot | None, limit: int) -> Json:
    """Return the newest *limit* bars of every interval by column, oldest first."""
    if snapshot is None:
        return {}
    return {interval: _columns(held, limit) for interval, held in snapshot.bars.items()}


def _columns(held: Bars, limit: int) -> Json:
    columns: Json = dict(zip(COLUMNS, held.matrix[:, -limit:].tolist(), strict=True))
    if held.interval != "5m":  # turnover: see `MarketSnapshot`
        columns["quote_volume"] = None
    return columns


def futures(snapshot: MarketSnapshot | None) -> Json:
    """Return the futures market's series, as the exchange stamped them."""
    if snapshot is None:
        return {}
    return {name: _points(getattr(snapshot.derivatives, name)) for name in SERIES}


def _points(points: Points) -> Json:
    times, values = points.arrays()
    return {"times": times.tolist(), "values": values.tolist()}


def indicators(decision: Decision, history: Sequence[Decision]) -> list[Json]:
    """Return each interval's values, votes and weights, and the values of the scans before, oldest first."""
    return [
        {
            "interval": frame.interval,
            "regime": frame.regime,
            "long_score": frame.long_score,
            "short_score": frame.short_score,
            "squeeze": frame.squeeze,
            "patterns": frame.patterns,
            "votes": frame.votes,
            "weights": frame.weights,
            "values": {name: finite(value) for name, value in frame.values.items()},
            "history": _history(frame.interval, tuple(frame.values), history),
        }
        for frame in decision.analysis.timeframes
    ]


def _history(interval: str, names: Sequence[str], history: Sequence[Decision]) -> Json:
    rows: list[tuple[int, dict[str, Any]]] = [
        (decision.analysis.scan_id, frame.values)
        for decision in history
        for frame in decision.analysis.timeframes
        if frame.interval == interval
    ]
    return {
        "scan_ids": [scan_id for scan_id, _ in rows],
        "values": {name: [finite(values.get(name)) for _, values in rows] for name in names} if rows else {},
    }
