"""/api/status, /api/version, /health: how it is going."""

from __future__ import annotations

import platform
import time
from typing import Any, Final

from fastapi import APIRouter, Response
from redis.exceptions import RedisError

from services.api import queries
from services.api.board import newest_scans
from services.api.context import Context, Uses, answer
from services.api.database import DatabaseAwayError
from shared.bus import Backlog
from shared.contracts import Stream
from shared.version import version

router = APIRouter(tags=["status"])
STARTED: Final = time.time()
READERS: Final = (
    *((Stream.SNAPSHOTS, "analyzer"), (Stream.SCANS, "gatekeeper"), (Stream.ANALYSES, "gatekeeper")),
    *((Stream.TICKS, "gatekeeper"), (Stream.ALERTS, "notifier"), (Stream.SCANS, "api"), (Stream.DECISIONS, "api")),
    *((Stream.DECISIONS_PASSED, "api"), (Stream.ALERTS, "api"), (Stream.DELIVERIES, "api")),
)
MAKERS: Final = {  #: by what a service sends it is known to work
    "fetcher": (Stream.SNAPSHOTS, Stream.TICKS),
    "analyzer": (Stream.ANALYSES,),
    "gatekeeper": (Stream.DECISIONS, Stream.DECISIONS_PASSED),
    "notifier": (Stream.DELIVERIES,),
}


@router.get("/health")
async def health(context: Uses) -> Response:
    """Return whether this process makes progress; it is healthy while it waits for the database.

    It needs no key and says nothing that a stranger may not know; `/api/status` has the details.
    """
    healthy, _ = context.service.health()
    away = bool(context.recorder.waiting) or not context.database.ready
    return answer({"service": "api", "healthy": healthy, "database": "away" if away else "ok"}, 200 if healthy else 503)


@router.get("/api/version")
async def version_of_this() -> Response:
    """Return what runs here."""
    return answer({"name": "sevengate", "version": version(), "python": platform.python_version()})


@router.get("/api/status")
async def status(context: Uses) -> Response:
    """Return the freshness of every service, the last scan, lags, the stores and counts."""
    board, database = context.board, context.database
    return answer(
        {
            "now": time.time_ns() // 1_000_000,
            "version": version(),
            "uptime_seconds": round(time.time() - STARTED, 1),
            "market": context.bus.market,
            "exchange_time": board.tick.at if board.tick else None,
            "settings_version": context.publisher.current.version if context.publisher.current else None,
            "last_scan": next(iter(newest_scans(board.scans.values(), settled=1, opened=0)), None),
            "open_scan": next(iter(newest_scans(board.scans.values(), settled=0, opened=1)), None),
            "services": await _services(context),
            "streams": await _streams(context),
            "database": {"ok": not database.reason and database.ready, "reason": database.reason},
            "recorder": {
                "stored": context.recorder.stored,
                "waiting_for": context.recorder.waiting,
                "lost": context.recorder.lost,
            },
            "listeners": len(context.broadcast),
            "counts": await _counts(context),
        }
    )


async def _services(context: Context) -> dict[str, Any]:
    """Return the age in seconds of the newest message of each service, null where there is none."""
    ages: dict[str, Any] = {}
    for service, streams in MAKERS.items():
        newest = [at for stream in streams if (at := await _newest(context, stream))]
        ages[service] = {"seconds_since_message": round(max(0.0, time.time() - max(newest)), 1) if newest else None}
    return ages


async def _newest(context: Context, stream: Stream) -> float:
    try:
        return max(context.board.seen.get(stream, 0.0), int((await context.bus.last_id(stream)).split("-")[0]) / 1_000)
    except (RedisError, OSError):
        return context.board.seen.get(stream, 0.0)


async def _streams(context: Context) -> list[dict[str, Any]] | None:
    try:
        return [_show(stream, group, await context.bus.backlog(stream, group)) for stream, group in READERS]
    except (RedisError, OSError):
        return None


def _show(stream: Stream, group: str, backlog: Backlog) -> dict[str, Any]:
    return {
        "stream": stream,
        "group": group,
        "length": backlog.length,
        "undelivered": backlog.undelivered,
        "pending": backlog.pending,
        "oldest_pending_seconds": round(backlog.oldest_pending_ms / 1_000, 1),
        "trimmed_unread": backlog.trimmed_unread,
    }


async def _counts(context: Context) -> dict[str, Any] | None:
    try:
        return await queries.counts(context.database)
    except DatabaseAwayError:
        return None
