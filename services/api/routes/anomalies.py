"""/api/anomalies: the radar, and the alerts about anomalies."""

from __future__ import annotations

import math

from fastapi import Response

from services.api import views
from services.api.context import Context, Cursor, Limit, Symbol, Time, Uses, answer, moment, resource
from services.api.schemas.coins import Anomalies
from services.api.store import queries
from services.api.store.database import DatabaseAwayError
from services.api.store.pages import Filter, Page
from services.api.views.facts import Json
from shared.contracts import AnomalyFigures
from shared.settings import AnomalySettings
from shared.symbols import pair_of

router = resource("anomalies")


@router.get("/api/anomalies", response_model=Anomalies)
async def anomalies(
    context: Uses,
    symbol: Symbol = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Return every coin's figures of the newest scan, and the posts about anomalies, newest first."""
    limits = context.service.settings.settings.anomaly
    filters = Filter().add("kind = %s", "anomaly").add("symbol = %s", symbol and pair_of(symbol))
    filters.add("occurred_at >= %s", moment(since)).add("occurred_at <= %s", moment(until))
    try:
        posts = await queries.alerts(context.database, filters, limit, cursor)
    except DatabaseAwayError:
        posts = Page([alert for alert in context.board.alerts if alert["kind"] == "anomaly"][::-1], None)
    return answer(
        {
            "scan_id": context.board.newest_scan,
            "limits": {"volume_z": limits.volume_z, "correlation": limits.correlation},
            "coins": _coins(context, limits),
            "items": posts.rows,
            "next_cursor": posts.next_cursor,
        }
    )


def _coins(context: Context, limits: AnomalySettings) -> list[Json]:
    analyses = [held.analysis for held in context.board.fresh()]
    return [
        {
            "symbol": analysis.symbol,
            "scan_id": analysis.scan_id,
            "price": analysis.bar[3] if len(analysis.bar) > 3 else None,
            "anomalous": is_anomalous(analysis.anomaly, limits),
            "figures": views.facts.as_json(analysis.anomaly),
        }
        for analysis in sorted(analyses, key=lambda analysis: analysis.symbol)
        if not analysis.problem
    ]


def is_anomalous(figures: AnomalyFigures, limits: AnomalySettings) -> bool:
    """Return whether *figures* lie beyond both limits."""
    z, correlation = figures.volume_z, figures.correlation
    if z is None or correlation is None or not (math.isfinite(z) and math.isfinite(correlation)):
        return False
    return z >= limits.volume_z and abs(correlation) < limits.correlation
