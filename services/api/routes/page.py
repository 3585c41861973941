"""The dashboard's files, as they were built from web/; every address that is not the API's is the page's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, HTTPException, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from services.api.context import NOT_FOUND

DIST: Final = Path(__file__).parents[1] / "web" / "dist"
NOT_BUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sevengate</title>
<h1>Sevengate runs, but its dashboard is not built</h1>
<p>Build it with <code>make setup</code>, then reload this page. Everything else is there:
<a href="api/status">/api/status</a>, <a href="api/coins">/api/coins</a>, <a href="api/signals">/api/signals</a>.</p>
</html>"""
FRESH: Final = {"Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


@router.get("/api/explain/{symbol}")
async def explain(symbol: str) -> Response:
    """Redirect to the present address."""
    return RedirectResponse(f"../coins/{symbol}/explain", 308)


@router.get("/api/{path:path}")
async def nothing(path: str) -> Response:
    raise HTTPException(NOT_FOUND, f"there is no /api/{path}; /api/openapi.json lists what there is")


@router.get("/{path:path}")
async def page(path: str) -> Response:
    """Return a file of the page, or the page itself; how to build it where it is not built."""
    for name in (path, f"{path.strip('/')}.html", "index.html"):
        found = (DIST / name).resolve()
        if name and found.is_relative_to(DIST.resolve()) and found.is_file():
            return FileResponse(found, headers=FRESH)
    return HTMLResponse(NOT_BUILT)


def mount(app: FastAPI) -> None:
    """Serve the page's files; their names change with their content."""
    app.mount("/assets", StaticFiles(directory=DIST / "assets", check_dir=False), name="assets")
