"""/api/export: the whole history as CSV: streamed, or in the background where it is long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import HTTPException, Path, Response
from fastapi.responses import FileResponse, StreamingResponse

from services.api.context import NOT_FOUND, Market, Uses, answer, resource
from services.api.exports.jobs import ExportJobs, TooManyExports
from services.api.routes.signals import GivenFilters, filters_of
from services.api.schemas.export import ExportBegun, ExportJob
from services.api.store import queries
from services.api.store.database import Row
from services.api.views.signals_csv import HEAD, lines

router = resource("export")
LONG: Final = 100_000  #: rows; more are written in the background
NAME: Final = "sevengate-signals.csv"
CSV: Final = "text/csv; charset=utf-8"
JobId = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", max_length=36)]


@router.get(
    "/api/export/signals.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def signals(context: Uses, given: GivenFilters) -> StreamingResponse:
    """Return every signal that fits, newest first, one line each behind a line of names."""
    rows = queries.every_signal(context.database, filters_of(given))
    first: list[Row] = await anext(rows, [])  # here, so that a database that is away answers 503

    async def text() -> AsyncIterator[str]:
        yield HEAD + lines(first)
        async for batch in rows:
            yield lines(batch)

    headers = {"Content-Disposition": f'attachment; filename="{NAME}"'}
    return StreamingResponse(text(), media_type=CSV, headers=headers)


@router.post("/api/export/signals", status_code=202, response_model=ExportBegun)
async def begin(context: Uses, given: GivenFilters, market: Market = None) -> Response:
    """Return where the signals that fit can be had; more than 100,000 are written by a job, see `job_id`."""
    total = await queries.count_signals(context.database, filters_of(given))
    if total <= LONG:
        return answer({"job_id": None, "total": total, "url": _address("signals.csv", market, given)}, 202)
    try:
        job_id = await ExportJobs(context.service.environment).begin(given, total)
    except TooManyExports as error:
        raise HTTPException(409, str(error)) from error
    return answer({"job_id": job_id, "total": total, "url": None}, 202)


@router.get("/api/export/jobs/{job_id}", response_model=ExportJob)
async def job(context: Uses, job_id: JobId, market: Market = None) -> Response:
    """Return how far an export is."""
    found = await ExportJobs(context.service.environment).find(job_id)
    if found is None:
        raise HTTPException(NOT_FOUND, "there is no such export; a finished one is kept for a day")
    url = _address(f"jobs/{job_id}/signals.csv", market, {}) if found["status"] == "done" else None
    return answer({"job_id": job_id, **found, "url": url})


@router.get(
    "/api/export/jobs/{job_id}/signals.csv",
    response_class=FileResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def file(context: Uses, job_id: JobId) -> FileResponse:
    """Return the file of a finished export."""
    path = ExportJobs(context.service.environment).path(job_id)
    if not path.is_file():
        raise HTTPException(NOT_FOUND, "the export is not finished, or older than a day: ask for its status")
    return FileResponse(path, media_type=CSV, filename=NAME)


def _address(name: str, market: str | None, given: Mapping[str, str]) -> str:
    """Return where an export is: of the *market* that was asked for, if one was."""
    query = urlencode(given if market is None else {**given, "market": market})
    return f"api/export/{name}?{query}" if query else f"api/export/{name}"
