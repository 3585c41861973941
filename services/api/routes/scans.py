"""/api/scans: the scan of each five-minute close."""

from __future__ import annotations

from fastapi import Response

from services.api.context import Cursor, Limit, Time, Uses, answer, moment, resource
from services.api.schemas.coins import Scans
from services.api.store import queries
from services.api.store.pages import Filter

router = resource("scans")


@router.get("/api/scans", response_model=Scans)
async def scans(
    context: Uses, since: Time = None, until: Time = None, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """Return scans, newest first."""
    filters = Filter().add("scan_id >= %s", moment(since)).add("scan_id <= %s", moment(until))
    page = await queries.scans(context.database, filters, limit, cursor)
    return answer({"items": page.rows, "next_cursor": page.next_cursor})
