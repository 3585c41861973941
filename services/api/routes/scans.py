"""/api/scans: what each five-minute close brought."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.api import queries
from services.api.context import Limit, Offset, Time, Uses, moment, page
from services.api.queries import Filter

router = APIRouter(tags=["scans"])


@router.get("/api/scans")
async def scans(
    context: Uses, since: Time = None, until: Time = None, limit: Limit = 100, offset: Offset = 0
) -> Response:
    """Return scans, newest first."""
    filters = Filter().add("scan_id >= %s", moment(since)).add("scan_id <= %s", moment(until))
    return page(await queries.scans(context.database, filters, limit, offset), limit, offset)
