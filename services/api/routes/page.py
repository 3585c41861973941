"""/: the dashboard, as it was built from web/."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

DIST: Final = Path(__file__).parents[1] / "web" / "dist"
NOT_BUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sevengate</title>
<h1>Sevengate runs, but its dashboard is not built</h1>
<p>Build it with <code>make setup</code>, then reload this page. Everything else is there:
<a href="/api/status">/api/status</a>, <a href="/api/top">/api/top</a>, <a href="/api/signals">/api/signals</a>.</p>
</html>"""

router = APIRouter()


@router.get("/", include_in_schema=False)
async def index() -> Response:
    """Return the page, or how to build it."""
    page = DIST / "index.html"
    if page.is_file():
        return FileResponse(page, headers={"Cache-Control": "no-cache"})
    return HTMLResponse(NOT_BUILT)


def mount(app: FastAPI) -> None:
    """Serve the page's files; their names change with their content."""
    app.mount("/assets", StaticFiles(directory=DIST / "assets", check_dir=False), name="assets")
