"""/api/decisions: every decision, passed or not, without its details."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from services.api.context import Cursor, Limit, Symbol, Time, Uses, answer, moment, resource
from services.api.schemas.base import LATEST
from services.api.schemas.coins import Decisions, Outcome
from services.api.store import queries
from services.api.store.pages import Filter
from shared.symbols import pair_of

router = resource("decisions")


@router.get("/api/decisions", response_model=Decisions)
async def decisions(
    context: Uses,
    symbol: Symbol = None,
    scan_id: Annotated[int | None, Query(ge=0, le=LATEST)] = None,
    outcome: Outcome | None = None,
    passed: bool | None = None,
    appeared: bool | None = None,
    min_score: Annotated[float | None, Query(ge=0, le=100)] = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return decisions, newest first; `/api/coins/{symbol}/explain` has the details."""
    filters = Filter().add("symbol = %s", symbol and pair_of(symbol)).add("scan_id = %s", scan_id)
    filters.add("outcome = %s", outcome).add("appeared = %s", appeared)
    for condition, value in queries.passing(passed=passed):
        filters.add(condition, value)
    filters.add("score >= %s", min_score)
    filters.add("scan_id >= %s", moment(since)).add("scan_id <= %s", moment(until))
    page = await queries.decisions(context.database, filters, limit, cursor)
    return answer({"items": page.rows, "next_cursor": page.next_cursor})
