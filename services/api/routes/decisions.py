"""/api/decisions, /api/explain, /api/top: how each coin was judged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response

from services.api import present, queries
from services.api.context import LATEST, TEXT, Context, Limit, Offset, Symbol, Time, Uses, Word, answer, moment, page
from services.api.database import DatabaseAwayError
from services.api.queries import Filter
from shared.contracts import Decision

router = APIRouter(tags=["decisions"])


@router.get("/api/decisions")
async def decisions(
    context: Uses,
    symbol: Symbol = None,
    scan_id: Annotated[int | None, Query(ge=0, le=LATEST)] = None,
    outcome: Word = None,
    passed: bool | None = None,
    appeared: bool | None = None,
    min_score: Annotated[float | None, Query(ge=0, le=100)] = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Return decisions without their details, newest first; `/api/explain` has the details."""
    filters = Filter().add("symbol = %s", symbol and symbol.upper()).add("scan_id = %s", scan_id)
    filters.add("outcome = %s", outcome).add("passed = %s", passed).add("appeared = %s", appeared)
    filters.add("score >= %s", min_score)
    filters.add("scan_id >= %s", moment(since)).add("scan_id <= %s", moment(until))
    return page(await queries.decisions(context.database, filters, limit, offset), limit, offset)


@router.get("/api/explain/{symbol}")
async def explain(
    context: Uses, symbol: Annotated[str, Path(max_length=40, pattern=TEXT)], at: Time = None
) -> Response:
    """Return the seven gates with value, threshold, distance and reason, and all that led to them.

    *at* gives the newest scan not later than that time; without it the newest of all.
    """
    when = moment(at)
    for name in dict.fromkeys((symbol, symbol.upper(), f"{symbol.upper()}USDT")):
        decision = await _decision(context, name, when)
        if decision is not None:
            return answer(present.explanation(decision))
    raise HTTPException(404, f"nothing is known of {symbol}" + ("" if when is None else " at that time"))


async def _decision(context: Context, symbol: str, at: int | None) -> Decision | None:
    held = context.board.decisions.get(symbol)
    if held is not None and (at is None or held.analysis.scan_id <= at):
        return held
    try:
        return await queries.decision(context.database, symbol, LATEST if at is None else at)
    except DatabaseAwayError:
        if at is None:
            return None
        raise


@router.get("/api/top")
async def top(context: Uses, n: Annotated[int, Query(ge=1, le=1_000)] = 20) -> Response:
    """Return the newest scan, best first."""
    rows = context.board.rows()
    return answer({"scan_id": context.board.newest_scan, "symbols": len(rows), "items": rows[:n]})
